package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// derive makes the settings that nobody gave of others. It comes after all
// overriding: APP=other gives another APP_USER and DELIVER_TO as well.
func (c *Config) derive(dir string) error {
	c.preset("APP", filepath.Base(dir), "name of the directory", &c.App)
	c.preset("APP_USER", c.App, "from APP", &c.AppUser)
	c.preset("DELIVER_TO", "~"+c.AppUser+"/app", "from APP_USER", &c.DeliverTo)
	c.preset("SERVICE", c.App, "from APP", &c.Service)
	for _, check := range []struct {
		name string
		good bool
		why  string
	}{
		{"APP", nameLike.MatchString(c.App), "is no name for an app: it begins with a letter or digit and holds letters, digits, dots, dashes and underscores"},
		{"APP_USER", userLike.MatchString(c.AppUser), "is no login name"},
		{"PROCFILE", c.exports(), "is exported where SUPERVISOR is systemd, runit, supervisor or upstart, and is a path in the release"},
		{"DELIVER_TO", pathLike(c.DeliverTo), "is no place for an app: it is a path that begins with / or ~, below the first directory"},
	} {
		if !check.good {
			v := c.Value(check.name)
			return v.Blame(fmt.Errorf("%s %s", shown(v.Text), check.why))
		}
	}
	return nil
}

// exports says whether a Procfile that is set can be exported.
func (c *Config) exports() bool {
	return c.Procfile == "" || filepath.IsLocal(c.Procfile) &&
		slices.Contains([]string{"systemd", "runit", "supervisor", "upstart"}, c.Supervisor)
}

// preset fills a setting that has no value.
func (c *Config) preset(name, text, origin string, field *string) {
	i := slices.IndexFunc(c.values, func(v Value) bool { return v.Variable.Name == name })
	if c.values[i].Text != "" {
		return
	}
	*field = text
	c.values[i].Text, c.values[i].Origin, c.values[i].Given = text, origin, false
}

var (
	nameLike = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	userLike = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._\\+$-]*$`)
)

// pathLike takes a path on a server that a whole app can be put under and
// taken away again.
func pathLike(p string) bool {
	if strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) || filepath.Clean(p) == "/" {
		return false
	}
	return strings.HasPrefix(p, "/") || strings.HasPrefix(p, "~")
}
