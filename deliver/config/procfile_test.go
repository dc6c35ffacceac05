package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/config"
)

func TestAProcfileNeedsAServiceManagerThatItIsExportedTo(t *testing.T) {
	t.Parallel()
	for text, good := range map[string]bool{
		"SUPERVISOR=systemd\nPROCFILE=Procfile":        true,
		"SUPERVISOR=upstart\nPROCFILE=config/Procfile": true,
		"PROCFILE=Procfile":                            false,
		"SUPERVISOR=openrc\nPROCFILE=Procfile":         false,
		"SUPERVISOR=runit\nPROCFILE=/etc/Procfile":     false,
		"SUPERVISOR=runit\nPROCFILE=../Procfile":       false,
	} {
		c, err := config.Load(t.Context(), config.Source{Dir: configured(t, text+"\nFORMATION=web=2\n")})
		if !good {
			assert.ErrorContains(t, err, "PROCFILE", text)
			continue
		}
		require.NoError(t, err, text)
		assert.Equal(t, "web=2", c.Formation)
	}
}
