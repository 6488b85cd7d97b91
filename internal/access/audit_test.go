package access

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func auditLine(who, verb string, after int, ref string) string {
	at := began.Add(time.Duration(after) * time.Minute).Format(time.RFC3339Nano)
	return fmt.Sprintf(`{"kind":"Event","stage":"ResponseComplete","verb":%q,"user":{"username":%q},"requestReceivedTimestamp":%q,"objectRef":%s,"responseStatus":{"code":200}}`+"\n", verb, who, at, ref)
}

func TestReadAudit(t *testing.T) {
	w := Window{began, began.Add(10 * time.Minute)}
	web := `{"resource":"deployments","apiGroup":"apps","namespace":"shop","name":"web"}`
	log := auditLine("other", "get", -1, web) + auditLine("holder", "get", 1, web) + auditLine("holder", "patch", 2, web) +
		auditLine("other", "delete", 3, web) + auditLine("holder", "delete", 4, web) +
		auditLine("holder", "get", 5, `{"resource":"pods","subresource":"exec","namespace":"shop","name":"web-1"}`)
	cases := []struct{ name, log, gap, fails string }{
		{"whole", log + auditLine("other", "get", 11, web), "", ""},
		{"ends too soon", log, "the log ends at 2026-03-01T12:05:00Z, before the grant did", ""},
		{"begins too late", auditLine("holder", "patch", 2, web) + auditLine("holder", "delete", 4, web) + auditLine("holder", "create", 20, web), "the log begins at 2026-03-01T12:02:00Z, after the grant", ""},
		{"of another day", auditLine("other", "get", 5000, web), "the log shows nothing of the time of the grant", ""},
		{"no log", "hello\n", "", "line 1"},
		{"empty", "", "", "it is empty"},
	}
	for _, c := range cases {
		got, err := ReadAudit(strings.NewReader(c.log), "holder", w)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %q", c.name, err, c.fails)
			}
			continue
		}
		if err != nil || got.Gap != c.gap {
			t.Errorf("%s: got %q %v, want %q", c.name, got.Gap, err, c.gap)
		}
		if strings.HasPrefix(c.log, log) && (len(got.Writes) != 3 || got.Writes[1].Verb != "delete" || got.Writes[2].Resource != "pods/exec") {
			t.Errorf("%s: got %+v", c.name, got.Writes)
		}
	}
}
