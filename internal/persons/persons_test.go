package persons

import "testing"

func TestBehind(t *testing.T) {
	same := map[string]string{
		"alice-admin": "alice", "alice": "alice@example.com", // by way of a third
		"bob-1": "bob-2", "bob-2": "bob-3", "bob-3": "bob-2", // a circle, and a way into it
		"carol": "carol", "nobody": "",
	}
	for account, want := range map[string]string{
		"alice-admin": "alice@example.com", "alice": "alice@example.com", "alice@example.com": "alice@example.com",
		"bob-1": "bob-2", "bob-2": "bob-2", "bob-3": "bob-2",
		"carol": "carol", "dave": "dave", "nobody": "nobody", "": "",
	} {
		if got := Behind(same, account); got != want {
			t.Errorf("behind %q is %q, want %q", account, got, want)
		}
	}
	if got := Behind(nil, "dave"); got != "dave" {
		t.Errorf("behind dave is %q where nothing is declared", got)
	}
}
