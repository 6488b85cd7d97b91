package azure

import (
	"testing"

	"github.com/leat-dev/leat/internal/keeper/keepertest"
)

func TestGate(t *testing.T) { keepertest.Gate(t, newStage(t)) }
