package labtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const prometheusConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: app
    static_configs: [{targets: ['%s']}]
`

// StartPrometheus runs a real one that scrapes the addresses, and gives its URL.
func StartPrometheus(t testing.TB, targets ...string) string {
	t.Helper()
	program := Program(t, "prometheus")
	address, dir := Free(t, 1)[0], t.TempDir()
	file := filepath.Join(dir, "prometheus.yml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, prometheusConfig, strings.Join(targets, "', '")), 0o600))
	start(t, exec.CommandContext(t.Context(), program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"),
		"--web.listen-address="+address))
	return "http://" + address
}

const carbonConf = `[cache]
STORAGE_DIR = %[1]s
LOCAL_DATA_DIR = %[1]s/whisper/
CONF_DIR = %[1]s
LOG_DIR = %[1]s
PID_DIR = %[1]s
USER =
LINE_RECEIVER_INTERFACE = 127.0.0.1
LINE_RECEIVER_PORT = %[2]s
PICKLE_RECEIVER_INTERFACE = 127.0.0.1
PICKLE_RECEIVER_PORT = %[3]s
CACHE_QUERY_INTERFACE = 127.0.0.1
CACHE_QUERY_PORT = %[4]s
ENABLE_UDP_LISTENER = False
ENABLE_TAGS = False
CARBON_METRIC_INTERVAL = 0
LOG_CREATES = False
LOG_UPDATES = False
LOG_CACHE_QUEUE_SORTS = False
MAX_CREATES_PER_MINUTE = inf
`

// Carbon is Graphite's own server of points.
type Carbon struct {
	Address string // of its plaintext protocol
	t       testing.TB
	dir     string
}

// StartCarbon runs one until the test ends. It may not be up yet.
func StartCarbon(t testing.TB) *Carbon {
	t.Helper()
	program := Program(t, "carbon-cache")
	c := &Carbon{t: t, dir: t.TempDir()}
	addresses := Free(t, 3)
	c.Address = addresses[0]
	config := filepath.Join(c.dir, "carbon.conf")
	require.NoError(t, os.WriteFile(config,
		fmt.Appendf(nil, carbonConf, c.dir, portOf(t, addresses[0]), portOf(t, addresses[1]), portOf(t, addresses[2])), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(c.dir, "storage-schemas.conf"), []byte("[all]\npattern = .*\nretentions = 1s:1d\n"), 0o600))
	start(t, exec.CommandContext(t.Context(), program, "--nodaemon", "--config="+config, "--pidfile="+filepath.Join(c.dir, "pid"), "start"))
	return c
}

// graphiteSettings are graphite-web's, in Python.
const graphiteSettings = `SECRET_KEY = 'a test'
ALLOWED_HOSTS = ['127.0.0.1']
STORAGE_DIR = LOG_DIR = %[1]q
WHISPER_DIR = %[2]q
STANDARD_DIRS = [WHISPER_DIR]
LOG_ROTATION = False
CARBONLINK_HOSTS = []
DATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': STORAGE_DIR + '/graphite.db'}}
`

// Web starts a graphite-web over what carbon has stored, and gives its URL.
func (c *Carbon) Web() string {
	c.t.Helper()
	program, dir, address := Program(c.t, "graphite-manage"), c.t.TempDir(), Free(c.t, 1)[0]
	settings := fmt.Appendf(nil, graphiteSettings, dir, filepath.Join(c.dir, "whisper"))
	require.NoError(c.t, os.WriteFile(filepath.Join(dir, "settings_of_test.py"), settings, 0o600))
	env := append(os.Environ(), "PYTHONPATH="+dir, "GRAPHITE_SETTINGS_MODULE=settings_of_test")
	migrate := exec.CommandContext(c.t.Context(), program, "migrate", "--run-syncdb", "--noinput", "-v", "0")
	migrate.Env = env
	out, err := migrate.CombinedOutput()
	require.NoError(c.t, err, string(out))
	serve := exec.CommandContext(c.t.Context(), program, "runserver", "--noreload", address)
	serve.Env = env
	start(c.t, serve)
	listens(c.t, address)
	return "http://" + address
}

// Write sends a value of now, as soon as carbon is up.
func (c *Carbon) Write(metric string, value float64) {
	c.t.Helper()
	listens(c.t, c.Address)
	conn, err := net.Dial("tcp", c.Address)
	require.NoError(c.t, err)
	_, err = fmt.Fprintf(conn, "%s %g %d\n", metric, value, time.Now().Unix())
	require.NoError(c.t, err)
	require.NoError(c.t, conn.Close())
}

// Has waits until there is a point of the metric at one of the seconds.
func (c *Carbon) Has(metric string, from, until time.Time) {
	c.t.Helper()
	file := filepath.Join(append([]string{c.dir, "whisper"}, strings.Split(metric, ".")...)...) + ".wsp"
	require.Eventually(c.t, func() bool {
		out, err := exec.CommandContext(c.t.Context(), "whisper-fetch",
			fmt.Sprintf("--from=%d", from.Unix()-1), fmt.Sprintf("--until=%d", until.Unix()), file).Output()
		return err == nil && strings.Contains(string(out), "\t1.0")
	}, patient, 10*tick, "%s has a point from %s to %s", metric, from, until)
}
