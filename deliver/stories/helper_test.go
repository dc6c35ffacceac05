package stories

import (
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/sshdtest"
)

// TestWhatIsPutOnServers looks at the program that a deliver as it is installed
// leaves on a server, and at that of one by go build alone, which has none inside.
func TestWhatIsPutOnServers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ deliver, program string }{
		"as it is installed": {sshdtest.Program(t), "deliver/cmd/deliver-host"},
		"by go build":        {sshdtest.PlainProgram(t), "deliver/cmd/deliver"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fleet := sshdtest.Start(t, "h1")
			cmd := exec.Command(filepath.Join(test.deliver, "deliver"), "check", "--hosts", "--app", "web", "--app-user", "root", "--deliver-to", "~/app", "--ssh-config", fleet.Config())
			cmd.Dir = t.TempDir()
			cmd.Env = append(os.Environ(), "HOME="+fleet.Home, "HOSTS=h1", "SUPERVISOR=none")
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, string(out))
			put, err := filepath.Glob(fleet.Server(t, "h1").Path("app", ".deliver", "bin", "*"))
			require.NoError(t, err)
			require.Len(t, put, 1)
			info, err := buildinfo.ReadFile(put[0])
			require.NoError(t, err)
			assert.Equal(t, test.program, info.Path)
		})
	}
}
