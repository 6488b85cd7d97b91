package carry

import "testing"

func TestMeantFor(t *testing.T) {
	for branch, want := range map[string]string{
		"promote/playground": "playground", "promote/playground+third-party-7f7945": "playground",
		"rollback/prod-eu-0123456789": "prod-eu", "retire/prod+deployment-apps-web-7f7945": "prod", "rollback/": "", "hotfix/1": "", "main": "",
	} {
		if got := MeantFor(branch); got != want {
			t.Errorf("%s: got %q, want %q", branch, got, want)
		}
	}
}
