package boxtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/boxtest"
)

func TestABoxIsAMachine(t *testing.T) {
	t.Parallel()
	for name, init := range map[string]boxtest.Init{"systemd": boxtest.Systemd, "openrc-init": boxtest.OpenRC} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box := boxtest.Start(t, init)
			assert.Equal(t, name, box.Run(t, "root", "cat /proc/1/comm"))
			assert.Equal(t, "deploy box /home/deploy", box.Run(t, boxtest.User, "echo $(id -un) $(uname -n) $PWD"))
			_, err := box.Try(boxtest.User, "sudo -n id -un")
			assert.Error(t, err)
			box.Sudoers(t, "deploy ALL=(root) NOPASSWD: /usr/bin/id -un")
			assert.Equal(t, "root", box.Run(t, boxtest.User, "sudo -n id -un"))
			box.Write(t, "/srv/app/x", "y", 0o600)
			assert.Equal(t, "y", box.Run(t, "root", "cat /srv/app/x"))
		})
	}
}
