package host_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/host"
	"deliver/host/hosttest"
)

// modest is a service of root, delivered to by a user who may not touch it.
type modest struct {
	*managed
	client *host.Client
	dir    string // of the service
}

func newModest(t *testing.T) *modest {
	t.Helper()
	mustBeRoot(t)
	must(t, onPath("runsv") && onPath("sv"), "runit")
	must(t, onPath("sudo"), "sudo")
	root, services := publicDir(t), publicDir(t)
	require.NoError(t, os.Chown(root, int(nobody().Uid), int(nobody().Gid)))
	m := &modest{managed: newManaged(t, "runit"), dir: filepath.Join(services, "shop")}
	m.root, m.service.Name = root, "shop"
	t.Setenv("SVDIR", services)
	m.client = clientAt(t, root, farProcess{publicBinary(t), nobody()}.open)
	b := numbered(t, "v1", 1)
	_, err := m.client.Receive(t.Context(), b.Record, b.Reader(), nil)
	require.NoError(t, err)
	_, err = m.client.Switch(t.Context(), "v1", "")
	require.NoError(t, err)

	require.NoError(t, os.Mkdir(m.dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(m.dir, "run"), []byte("#!/bin/sh\n"+m.app()+"\n"), 0o755))
	runInBackground(t, exec.Command("runsv", m.dir))
	m.awaitListener(t)
	t.Cleanup(func() { _ = exec.Command("sv", "-w", "5", "force-stop", m.dir).Run() })
	return m
}

func TestWhoMayNotRestartLearnsTheLineOfSudoers(t *testing.T) {
	m := newModest(t)
	sv, err := exec.LookPath("sv")
	require.NoError(t, err)
	for _, manager := range []string{"runit", ""} {
		err := m.client.Restart(t.Context(), host.Service{Manager: manager, Name: "shop"})
		known := hosttest.RequireKind(t, err, host.KindService)
		assert.Contains(t, known.Message, "nobody may not run")
		assert.Contains(t, known.Hint, "nobody ALL=(root) NOPASSWD: "+sv+" restart "+m.dir)
	}
}

func TestWhoMayNotLookAtTheServiceStillAsksTheApp(t *testing.T) {
	m := newModest(t)
	state, err := m.client.Look(t.Context(), m.service)
	require.NoError(t, err)
	assert.True(t, state.Service.Known)
	assert.Contains(t, state.Service.Detail, "sudoers")

	checked, err := m.client.Check(t.Context(), m.brief(), m.service, "v1")
	require.NoError(t, err)
	assert.False(t, checked.Proven)
	assert.Contains(t, checked.Detail, strconv.Itoa(m.port))

	nothing := m.brief()
	nothing.Port = 0
	_, err = m.client.Check(t.Context(), nothing, m.service, "v1")
	known := hosttest.RequireKind(t, err, host.KindService)
	assert.Contains(t, known.Hint, "status "+m.dir)
}
