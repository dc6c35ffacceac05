package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
	"deliver/inventory"
)

const twoEnvironments = `APP=shop
HOSTS=dev
STAGING_HOSTS=stage
STAGING_USER=stager
PRODUCTION_HOSTS="web-1 web-2"
PRODUCTION_BATCH=1
BATCH=2
`

func TestEnvironments(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		choose             string
		env                []string
		hosts, user, batch string
	}{
		"none":                          {"", nil, "dev", "shop", "2"},
		"staging":                       {"staging", nil, "stage", "stager", "2"},
		"production":                    {"production", nil, "web-1 web-2", "shop", "1"},
		"capitals":                      {"PRODUCTION", nil, "web-1 web-2", "shop", "1"},
		"by the environment":            {"", []string{"DELIVER_ENV=production"}, "web-1 web-2", "shop", "1"},
		"special in the environment":    {"production", []string{"PRODUCTION_HOSTS=x"}, "x", "shop", "1"},
		"special wins over plain there": {"production", []string{"PRODUCTION_HOSTS=x", "HOSTS=y", "DELIVER_HOSTS=z"}, "x", "shop", "1"},
		"plain for this run":            {"production", []string{"HOSTS=y"}, "y", "shop", "1"},
		"an environment of one's own":   {"blue-green", []string{"BLUE_GREEN_HOSTS=b"}, "b", "shop", "2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flags := map[string]string{}
			if c.choose != "" {
				flags["ENV"] = c.choose
			}
			got := loadWith(t, configured(t, twoEnvironments), flags, c.env...)
			assert.Equal(t, c.hosts, inventory.Join(got.Hosts))
			assert.Equal(t, c.user, got.AppUser)
			assert.Equal(t, c.batch, got.Batch)
		})
	}
}

func TestTheOriginNamesTheSpecialVariable(t *testing.T) {
	t.Parallel()
	c := loadWith(t, configured(t, twoEnvironments), map[string]string{"ENV": "staging"})
	assert.Equal(t, ".deliver/config:3 STAGING_HOSTS", c.Value("HOSTS").Origin)
	assert.Equal(t, ".deliver/config:4 STAGING_USER", c.Value("APP_USER").Origin)
	assert.Equal(t, "~stager/app", c.DeliverTo)
}

// PRODUCTION_HOSTS that came out empty must not mean the hosts of another
// environment.
func TestEmptySpecialHostsDoNotFallBackToHOSTS(t *testing.T) {
	t.Parallel()
	c := loadWith(t, configured(t, "STAGING_HOSTS=a\nPRODUCTION_HOSTS=$STAGING__HOSTS\nHOSTS=dev\n"), map[string]string{"ENV": "production"})
	assert.Empty(t, c.Hosts)
	assert.EqualError(t, c.Need("HOSTS"), "HOSTS is empty: it was set so by .deliver/config:2 PRODUCTION_HOSTS")
}

func TestAnEnvironmentThatNothingIsSetForIsRefused(t *testing.T) {
	t.Parallel()
	_, err := config.Load(t.Context(), config.Source{
		Dir: configured(t, twoEnvironments), Environ: environ(), Flags: map[string]string{"ENV": "prod"},
	})
	require.EqualError(t, err, "--env prod: no setting begins with PROD_, and .deliver/config does not use $ENV; there is production, staging")

	message, _ := refuse(t, configured(t, ""), "DELIVER_ENV=../x")
	assert.Contains(t, message, "environment DELIVER_ENV: ENV:")
}

func TestAConfigMayChooseByItself(t *testing.T) {
	t.Parallel()
	c := loadWith(t, configured(t, "case $ENV in prod) HOSTS=p ;; *) HOSTS=d ;; esac\n"), map[string]string{"ENV": "prod"})
	assert.Equal(t, "p", inventory.Join(c.Hosts))
}
