package release

import "testing"

func TestAtRevision(t *testing.T) {
	const digest = "sha256:1b2c3d4e5f60718293a4b5c6d7e8f90011223344556677889900aabbccddeeff"
	for _, c := range []struct{ version, revision, want, digest, err string }{
		{"6.5.0", "6.5.0@" + digest, "6.5.0+1b2c3d4e5f60", digest, ""},
		{"v6.5.0", "6.5.0@" + digest, "6.5.0+1b2c3d4e5f60", digest, ""},
		{"6.5.0+a", "6.5.0_a@" + digest, "6.5.0+1b2c3d4e5f60", digest, ""},
		{"6.5.0", "latest@" + digest, "6.5.0+1b2c3d4e5f60", digest, ""},
		{"6.5.0", digest, "6.5.0+1b2c3d4e5f60", digest, ""},
		{"6.5.0", "6.5.1@" + digest, "", "", "artifact revision 6.5.1 does not match chart version 6.5.0"},
		{"6.5.0", "6.5.0", "", "", "invalid artifact revision 6.5.0"},
		{"6.5.0", "sha256:12", "", "", "invalid artifact revision sha256:12"},
		{"next", digest, "", "", "invalid chart version next"},
	} {
		got, of, err := AtRevision(c.version, c.revision)
		if text := errText(err); got != c.want || of != c.digest || text != c.err {
			t.Errorf("AtRevision(%q, %q): got %q, %q, %q, want %q, %q, %q", c.version, c.revision, got, of, text, c.want, c.digest, c.err)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
