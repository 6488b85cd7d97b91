package release

import (
	"context"
	"errors"
	"fmt"
	"testing"

	v2 "github.com/fluxcd/helm-controller/api/v2"
	rcommon "helm.sh/helm/v4/pkg/release/common"
	relv1 "helm.sh/helm/v4/pkg/release/v1"
)

var errTest = errors.New("boom")

func TestRecord(t *testing.T) {
	for _, tc := range []struct {
		name              string
		change            func(*world) Done
		history           string // version:status:action, newest first
		fruitless         bool
		all, install, upg int64
	}{
		{"installed", func(w *world) Done {
			w.stored, w.hr.Status.History = nil, nil
			return Done{Action: Install, Written: []*relv1.Release{made(1, rcommon.StatusDeployed, "1", nil)}}
		}, "1:deployed:install", false, 0, 0, 0},
		{"install failed in the cluster", func(w *world) Done {
			return Done{Action: Install, Err: errTest, Written: []*relv1.Release{made(1, rcommon.StatusFailed, "1", nil)}}
		}, "1:failed:install", false, 1, 1, 0},
		{"install failed before storage", func(*world) Done { return Done{Action: Install, Err: errTest} }, "", true, 1, 0, 0},
		{"install cancelled", func(*world) Done {
			return Done{Action: Install, Err: fmt.Errorf("x: %w", context.Canceled), Written: []*relv1.Release{made(1, rcommon.StatusFailed, "1", nil)}}
		}, "1:failed:install", false, 0, 0, 0},
		{"upgraded", func(*world) Done {
			return Done{Action: Upgrade, Written: []*relv1.Release{made(3, rcommon.StatusDeployed, "1", nil), made(2, rcommon.StatusSuperseded, "1.1.0", nil)}}
		}, "3:deployed:upgrade 2:superseded: 1:superseded:", false, 0, 0, 0},
		{"upgrade failed", func(*world) Done {
			return Done{Action: Upgrade, Err: errTest, Written: []*relv1.Release{made(3, rcommon.StatusFailed, "1", nil)}}
		}, "3:failed:upgrade 2:deployed: 1:superseded:", false, 1, 0, 1},
		{"upgraded after failures, strategy retry", func(w *world) Done {
			w.hr.Spec.Upgrade = &v2.Upgrade{Strategy: &v2.UpgradeStrategy{Name: "RetryOnFailure"}}
			w.hr.Status.Failures, w.hr.Status.UpgradeFailures = 4, 4
			return Done{Action: Upgrade, Written: []*relv1.Release{made(3, rcommon.StatusDeployed, "1", nil)}}
		}, "3:deployed:upgrade 2:deployed: 1:superseded:", false, 0, 0, 0},
		{"rolled back", func(w *world) Done {
			w.failedUpgrade(1, nil)
			return Done{Action: Rollback, Written: []*relv1.Release{made(3, rcommon.StatusDeployed, "1.0.0", nil), made(1, rcommon.StatusSuperseded, "1.0.0", nil)}}
		}, "3:deployed:rollback 2:failed: 1:superseded:rollback", false, 0, 0, 1},
		{"rollback failed before storage", func(w *world) Done {
			w.failedUpgrade(1, nil)
			return Done{Action: Rollback, Err: errTest}
		}, "2:failed: 1:deployed:", true, 1, 0, 1},
		{"uninstalled as remediation", func(*world) Done {
			return Done{Action: Uninstall, Written: []*relv1.Release{made(2, rcommon.StatusUninstalling, "1.1.0", nil)}}
		}, "2:uninstalling:uninstall-remediation 1:superseded:", false, 0, 0, 0},
		{"test failed", func(w *world) Done {
			w.tested("")
			rel := made(2, rcommon.StatusDeployed, "1.1.0", nil)
			rel.Hooks = []*relv1.Hook{{Name: "t", Events: []relv1.HookEvent{relv1.HookTest}, LastRun: relv1.HookExecution{Phase: relv1.HookPhaseFailed}}}
			return Done{Action: Test, Err: errTest, Written: []*relv1.Release{rel}}
		}, "2:deployed: 1:superseded:", false, 1, 0, 1},
		{"test could not be run", func(w *world) Done {
			w.hr.Spec.Test = &v2.Test{Enable: true}
			return Done{Action: Test, Err: errTest}
		}, "2:deployed: 1:superseded:", true, 1, 0, 0},
		{"unlocked, known", func(*world) Done {
			return Done{Action: Unlock, Written: []*relv1.Release{made(2, rcommon.StatusFailed, "1.1.0", nil)}}
		}, "2:failed: 1:superseded:", false, 0, 0, 0},
		{"unlocked, our next version", func(*world) Done {
			return Done{Action: Unlock, Written: []*relv1.Release{made(3, rcommon.StatusFailed, "1.1.0", nil)}}
		}, "3:failed:upgrade 2:deployed: 1:superseded:", false, 0, 0, 0},
		{"unlocked, somebody's version", func(*world) Done {
			return Done{Action: Unlock, Written: []*relv1.Release{made(7, rcommon.StatusFailed, "1.1.0", nil)}}
		}, "2:deployed: 1:superseded:", false, 0, 0, 0},
		{"drift not corrected", func(*world) Done { return Done{Action: Correct, Err: errTest} }, "2:deployed: 1:superseded:", false, 0, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := inSync()
			done := tc.change(w)
			got := Record(w.request(), done)
			text := ""
			for _, s := range got.Status.History {
				text += fmt.Sprintf(" %d:%s:%s", s.Version, s.Status, s.Action)
			}
			if text != "" {
				text = text[1:]
			}
			if text != tc.history {
				t.Errorf("got history %q, want %q", text, tc.history)
			}
			s := got.Status
			if got.Fruitless != tc.fruitless || s.Failures != tc.all || s.InstallFailures != tc.install || s.UpgradeFailures != tc.upg {
				t.Errorf("got fruitless %v, failures %d, %d, %d", got.Fruitless, s.Failures, s.InstallFailures, s.UpgradeFailures)
			}
		})
	}
}
