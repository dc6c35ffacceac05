package config_test

import (
	"os/user"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNotes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		env    []string
		want   []string
	}{
		"nothing odd":        {"APP=a\nHOSTS=b\nMY_THING=1\nUS=1\nregion=eu\n", nil, []string{}},
		"a letter short":     {"HOST=a\nHOSTS=b\n", nil, []string{".deliver/config:1: deliver knows no HOST (did you mean HOSTS?)"}},
		"letters changed":    {"BACTH=2\n", nil, []string{".deliver/config:1: deliver knows no BACTH (did you mean BATCH?)"}},
		"two slips":          {"KEEP_RELEASE=2\nHEALTHURL=x\n", nil, []string{".deliver/config:2: deliver knows no HEALTHURL (did you mean HEALTH_URL?)", ".deliver/config:1: deliver knows no KEEP_RELEASE (did you mean KEEP_RELEASES?)"}},
		"one of edeliver's":  {"AAUTO_VERSION=1\n", nil, []string{".deliver/config:1: deliver knows no AAUTO_VERSION (did you mean AUTO_VERSION?)"}},
		"in the environment": {"", []string{"DELIVER_BACTH=2", "BACTH=3", "DELIVER_TO=/srv/a", "DELIVER_HOME=/x"}, []string{"environment DELIVER_BACTH: deliver knows no BACTH (did you mean BATCH?)"}},
		"a former name":      {"SERVERS=a\nGIT_PUSH=-f\n", nil, []string{".deliver/config:2: GIT_PUSH does nothing any more: servers get an archive, nothing is pushed to them", ".deliver/config:1: SERVERS does nothing any more: the servers are HOSTS"}},
		"an unset variable":  {"STAGING_HOSTS=a\nX=1 # $STAGING_HOST\n# $STAGING_HOST\nHOSTS=\"b $STAGING__HOSTS ${STAGING_HOTS:-c} $MINE $ENV\"\n", nil, []string{".deliver/config:4: $STAGING__HOSTS is not set (did you mean STAGING_HOSTS?)"}},
		"in single quotes":   {"HOSTS=a\nBUILD_AT=/b\nSERVICE='$BUILD_AT/${APP}'\nHEALTH_CMD='echo $APP'\nSTORE='s3://a/$HOME_GROWN'\n", nil, []string{".deliver/config:3: SERVICE holds $BUILD_AT as it stands: in single quotes bash fills nothing in"}},
		"formerly verbose":   {"MODE=verbose\n", nil, []string{".deliver/config:1: MODE does nothing any more: how much is printed is told by -C, -V and -D"}},
		"a mode of its own":  {"MODE=production\n", nil, []string{}},
		"servers of old":     {"", []string{"SERVERS=a,b", "REMOTE=c"}, []string{"environment SERVERS: SERVERS does nothing any more: the servers are HOSTS", "environment REMOTE: REMOTE does nothing any more: the servers are HOSTS"}},
		"servers beside":     {"HOSTS=a\n", []string{"SERVERS=a,b"}, []string{}},
		"edeliver":           {"APP=a\nBUILD_HOST=b\nPRODUCTION_HOSTS=c\n", nil, []string{".deliver/config:2: BUILD_HOST looks like a config of edeliver: deliver takes the build as it is given, and the servers from HOSTS, or from PRODUCTION_HOSTS with --env production"}},
		"edeliver, chosen":   {"APP=a\nBUILD_HOST=b\nPRODUCTION_HOSTS=c\n", []string{"DELIVER_ENV=production"}, []string{}},
		"a slip in special":  {"PRODUCTION_HOSTS=c\nPRODUCTION_BACTH=1\n", []string{"DELIVER_ENV=production"}, []string{".deliver/config:2: deliver knows no PRODUCTION_BACTH (did you mean BATCH?)"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assert.ElementsMatch(t, c.want, load(t, configured(t, c.config), c.env...).Notes())
		})
	}
}

// An unquoted ~ means this machine's home, which is seldom what is meant.
func TestAHomeThatBashExpandedHereIsNoted(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	require.NoError(t, err)
	home := "HOME=" + me.HomeDir
	assert.Equal(t, []string{"DELIVER_TO (.deliver/config:1) begins with this machine's home directory: quote the ~ to mean the server's"},
		load(t, configured(t, "DELIVER_TO=~/app\n"), home).Notes())
	assert.Empty(t, load(t, configured(t, "DELIVER_TO='~/app'\n"), home).Notes())
}
