package inventory_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"deliver/inventory"
)

func TestParseHostsReadsWhatPeopleWrite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		list string
		want []inventory.Host
	}{
		"nothing":              {"", nil},
		"only separators":      {" , \n\t,", nil},
		"one":                  {"web-1", []inventory.Host{{Name: "web-1"}}},
		"commas":               {"a,b", []inventory.Host{{Name: "a"}, {Name: "b"}}},
		"blanks":               {" a  b ", []inventory.Host{{Name: "a"}, {Name: "b"}}},
		"lines":                {"a\nb\r\nc\n", []inventory.Host{{Name: "a"}, {Name: "b"}, {Name: "c"}}},
		"commas and blanks":    {"a, b ,c", []inventory.Host{{Name: "a"}, {Name: "b"}, {Name: "c"}}},
		"user, port":           {"deploy@web:2222", []inventory.Host{{Name: "web", User: "deploy", Port: 2222}}},
		"an address":           {"10.0.0.1:22", []inventory.Host{{Name: "10.0.0.1", Port: 22}}},
		"IPv6":                 {"[2001:db8::1]", []inventory.Host{{Name: "2001:db8::1"}}},
		"IPv6, user, port":     {"me@[::1]:2222", []inventory.Host{{Name: "::1", User: "me", Port: 2222}}},
		"IPv6 with a zone":     {"[fe80::1%eth0]", []inventory.Host{{Name: "fe80::1%eth0"}}},
		"an alias":             {"prod_db.eu", []inventory.Host{{Name: "prod_db.eu"}}},
		"a domain's user":      {`CORP\me@web`, []inventory.Host{{Name: "web", User: `CORP\me`}}},
		"order and case stays": {"B,a,C", []inventory.Host{{Name: "B"}, {Name: "a"}, {Name: "C"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := inventory.ParseHosts(c.list)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
}

func TestParseHostsSaysWhichEntryIsWrongAndWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ list, entry, why string }{
		"a URL":               {"a, ssh://b", "ssh://b", "not as a URL"},
		"a path":              {"deploy@b:/srv", "deploy@b:/srv", "DELIVER_TO is the path"},
		"an option":           {"-oProxyCommand=x", "-oProxyCommand=x", "begin with a dash"},
		"an option as name":   {"me@-oProxyCommand=x", "-oProxyCommand=x", "begin with a dash"},
		"an option as user":   {"-l@web", "-l@web", "begin with a dash"},
		"no user":             {"@web", "@web", "user before @ is empty"},
		"two users":           {"a@b@c", "a@b@c", "letters, digits"},
		"a user with a quote": {"a'b@c", "a'b@c", "login name"},
		"no name":             {"me@", "me@", "name is empty"},
		"no name but a port":  {":22", ":22", "name is empty"},
		"no port":             {"web:", "web:", `port "" is no number`},
		"a port of letters":   {"web:ssh", "web:ssh", `port "ssh" is no number`},
		"a port too large":    {"web:65536", "web:65536", "from 1 to 65535"},
		"a signed port":       {"web:+22", "web:+22", "from 1 to 65535"},
		"port zero":           {"web:0", "web:0", "from 1 to 65535"},
		"bare IPv6":           {"2001:db8::1", "2001:db8::1", "in brackets"},
		"an open bracket":     {"[::1", "[::1", "not closed"},
		"IPv4 in brackets":    {"[10.0.0.1]", "[10.0.0.1]", "no IPv6 address"},
		"after the bracket":   {"[::1]22", "[::1]22", "only :port"},
		"a bad zone":          {"[fe80::1%a'b]", "[fe80::1%a'b]", "letters, digits"},
		"a placeholder":       {"***", "***", "letters, digits"},
		"an open variable":    {"$HOST", "$HOST", "letters, digits"},
		"quotes":              {`"web"`, "web", "letters, digits"},
		"not ASCII":           {"wéb", "wéb", "letters, digits"},
		"the cloud's nothing": {"None", "None", "empty answer"},
		"JSON's nothing":      {"null", "null", "empty answer"},
		"too long":            {strings.Repeat("a", 254), "aaa", "longer than 253"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := inventory.ParseHosts(c.list)
			require.ErrorContains(t, err, c.why)
			assert.ErrorContains(t, err, c.entry)
		})
	}
}

func TestUniqueLeavesEachHostOnce(t *testing.T) {
	t.Parallel()
	unique, repeated, err := inventory.Unique(parse(t, "a b A me@c a:22 me@c"))
	require.NoError(t, err)
	assert.Equal(t, parse(t, "a b me@c a:22"), unique)
	assert.Equal(t, parse(t, "A me@c"), repeated)
}

func TestUniqueRefusesOneServerUnderTwoUsers(t *testing.T) {
	t.Parallel()
	_, _, err := inventory.Unique(parse(t, "me@a you@a"))
	assert.EqualError(t, err, "me@a and you@a are the same server")
}

func TestSelect(t *testing.T) {
	t.Parallel()
	fleet := "web-1 web-2:2222 me@db [::1]"
	for name, c := range map[string]struct{ only, except, want string }{
		"everything":             {"", "", fleet},
		"one":                    {"db", "", "me@db"},
		"one as HOSTS writes it": {"me@db", "", "me@db"},
		"a pattern":              {"web-*", "", "web-1 web-2:2222"},
		"a pattern for the port": {"*:2222", "", "web-2:2222"},
		"in the fleet's order":   {"db,web-1", "", "web-1 me@db"},
		"all but":                {"", "web-*", "me@db [::1]"},
		"some but":               {"web-*", "web-1", "web-2:2222"},
		"an IPv6 address":        {"", "::1", "web-1 web-2:2222 me@db"},
		"nothing is left":        {"db", "db", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := inventory.Select(parse(t, fleet), words(c.only), words(c.except))
			require.NoError(t, err)
			assert.Equal(t, c.want, inventory.Join(got))
		})
	}
}

func TestSelectRefusesWhatIsForNoHost(t *testing.T) {
	t.Parallel()
	_, err := inventory.Select(parse(t, "web-1 web-2"), []string{"web-3"}, nil)
	require.EqualError(t, err, `"web-3" is none of the hosts: web-1 web-2`)
	_, err = inventory.Select(parse(t, "web-1 web-2"), nil, []string{"db*"})
	require.ErrorContains(t, err, `"db*" is none of the hosts`)
	_, err = inventory.Select(parse(t, "web-1"), []string{"web-["}, nil)
	require.ErrorContains(t, err, `"web-[" is no pattern`)
}

func TestWithUserLeavesNamedUsersAlone(t *testing.T) {
	t.Parallel()
	fleet := parse(t, "a me@b")
	assert.Equal(t, "web@a me@b", inventory.Join(inventory.WithUser(fleet, "web")))
	assert.Equal(t, "a me@b", inventory.Join(fleet))
}

// Whatever is accepted is written so that it is read back the same, and can be
// handed to ssh without being taken for an option.
func FuzzParseHosts(f *testing.F) {
	for _, seed := range []string{"", "a,b c", "me@web:22", "[::1]:22", "[fe80::1%e]", "-x", "a@b@c", "None", "a:b:c", "\x00", "wéb", "@", "[", "]:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, list string) {
		hosts, err := inventory.ParseHosts(list)
		if err != nil {
			return
		}
		again, err := inventory.ParseHosts(inventory.Join(hosts))
		require.NoError(t, err)
		require.Equal(t, hosts, again)
		for _, h := range hosts {
			require.NotEmpty(t, h.Name)
			require.False(t, strings.HasPrefix(h.Name, "-") || strings.HasPrefix(h.User, "-"))
			require.NotContains(t, h.String(), " ")
		}
	})
}

func parse(t *testing.T, list string) []inventory.Host {
	t.Helper()
	hosts, err := inventory.ParseHosts(list)
	require.NoError(t, err)
	return hosts
}

func words(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' })
}
