package host

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestCommandsOfARestartAreKnownBeforehand(t *testing.T) {
	services := t.TempDir()
	t.Setenv("SVDIR", services)
	require.NoError(t, os.Mkdir(filepath.Join(services, "shop"), 0o755))
	changed, _ := parseShow("LoadState=loaded\nActiveState=active\nSubState=running\nNeedDaemonReload=yes\n")
	changed.reload = true
	failed, _ := parseShow("LoadState=loaded\nActiveState=failed\nSubState=failed\nNeedDaemonReload=no\n")
	running := func(manager string) sighting {
		return sighting{ServiceState: ServiceState{Manager: manager, Known: true, Running: true}}
	}
	gone := running(managerOpenRC)
	gone.stale = true
	for name, c := range map[string]struct {
		seen sighting
		want []string
	}{
		"systemd":              {running(managerSystemd), []string{"systemctl restart shop.service"}},
		"systemd, changed":     {changed, []string{"systemctl daemon-reload", "systemctl restart shop.service"}},
		"systemd, failed":      {failed, []string{"systemctl reset-failed shop.service", "systemctl restart shop.service"}},
		"OpenRC":               {running(managerOpenRC), []string{"rc-service shop restart"}},
		"OpenRC, process gone": {gone, []string{"rc-service shop zap", "rc-service shop restart"}},
		"Upstart":              {running(managerUpstart), []string{"initctl reload-configuration", "initctl stop shop", "initctl start shop"}},
		"runit":                {running(managerRunit), []string{"sv restart " + services + "/shop"}},
		"supervisor": {parseStatus("shop RUNNING pid 7, uptime 0:00:09"), []string{
			"supervisorctl reread", "supervisorctl update shop (if its config changed)", "supervisorctl restart shop (unless the update started it)",
		}},
		"supervisor's group": {parseStatus("shop:web RUNNING pid 7, uptime 0:00:09"), []string{
			"supervisorctl reread", "supervisorctl update shop (if its config changed)", "supervisorctl restart shop:* (unless the update started it)",
		}},
		"none": {running(managerNone), nil},
	} {
		assert.Equal(t, c.want, Service{Name: "shop"}.restartCommands(c.seen), name)
	}
}
