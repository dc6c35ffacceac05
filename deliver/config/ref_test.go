package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// What is built is what was asked for last: REFSPEC=topic in the environment
// holds against everything that the config says.
func TestWhatToBuildIsSaidByTheStrongest(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		env    []string
		flags  map[string]string
		want   string
	}{
		"nothing":                          {"", nil, nil, "REFSPEC master"},
		"config":                           {"REFSPEC=topic\n", nil, nil, "REFSPEC topic"},
		"the first of the config":          {"REFSPEC=topic\nREVISION=abc\n", nil, nil, "REVISION abc"},
		"environment over config":          {"REFSPEC=master\n", []string{"REFSPEC=topic"}, nil, "REFSPEC topic"},
		"environment over config's commit": {"REVISION=$(echo abc)\nTAG=v1\n", []string{"REFSPEC=topic"}, nil, "REFSPEC topic"},
		"what Jenkins sets":                {"REFSPEC=topic\n", []string{"BRANCH=master", "TAG=v1"}, nil, "TAG v1"},
		"what Jenkins sets, without a tag": {"REFSPEC=topic\n", []string{"BRANCH=master", "TAG="}, nil, "BRANCH master"},
		"a flag over Jenkins":              {"", []string{"BRANCH=master", "TAG=v1"}, map[string]string{"REFSPEC": "topic"}, "REFSPEC topic"},
		"for an environment":               {"PRODUCTION_BRANCH=stable\nREFSPEC=topic\n", []string{"DELIVER_ENV=production"}, nil, "BRANCH stable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ref := loadWith(t, configured(t, c.config), c.flags, c.env...).Ref()
			assert.Equal(t, c.want, ref.Variable.Name+" "+ref.Text)
		})
	}
}
