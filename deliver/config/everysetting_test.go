package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/config"
)

// PORT=6000 deliver means 6000, whatever the config says: not of a few
// settings, but of each.
func TestTheEnvironmentWinsForEverySetting(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	var environment []string
	want := map[string]string{}
	for _, v := range config.Variables() {
		if v.Run {
			continue
		}
		weak, strong := valuesOf(v)
		fmt.Fprintf(&text, "%s='%s'\n", v.Name, weak)
		environment = append(environment, v.Name+"="+strong)
		want[v.Name] = strong
	}
	c := load(t, configured(t, text.String()), environment...)
	for name, strong := range want {
		assert.Equal(t, strong, c.Value(name).Text, name)
		assert.Equal(t, "environment "+name, c.Value(name).Origin)
	}
	c = load(t, configured(t, text.String()))
	for name, strong := range want {
		assert.NotEqual(t, strong, c.Value(name).Text, name)
		assert.Contains(t, c.Value(name).Origin, ".deliver/config:", name)
	}
}

// valuesOf are two values that a variable may have.
func valuesOf(v config.Variable) (weak, strong string) {
	switch {
	case v.Name == "SUPERVISOR":
		return "systemd", "runit" // both can be given a PROCFILE
	case len(v.Choices) > 1:
		return v.Choices[0], v.Choices[1]
	case v.Name == "DELIVER_TO":
		return "/srv/a", "/srv/b"
	case v.Kind == config.Duration:
		return "7s", "8s"
	case v.Kind == config.Number:
		return "7", "8"
	default:
		return "weak", "strong"
	}
}
