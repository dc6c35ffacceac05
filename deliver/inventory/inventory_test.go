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
		"a range":              {"web-[2-4]", parse(t, "web-2 web-3 web-4")},
		"with zeros":           {"web[08-10] b[1-010]", parse(t, "web08 web09 web10 b001 b002 b003 b004 b005 b006 b007 b008 b009 b010")},
		"some of a range":      {"me@web[1-2,7].eu:22, db", parse(t, "me@web1.eu:22 me@web2.eu:22 me@web7.eu:22 db")},
		"a range of bash":      {"web-{9..11}", parse(t, "web-9 web-10 web-11")},
		"words of bash":        {"web-{eu,us}-[1-2]", parse(t, "web-eu-1 web-eu-2 web-us-1 web-us-2")},
		"a range of ports":     {"localhost:[2201-2202]", parse(t, "localhost:2201 localhost:2202")},
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
		"letters as a range":  {"web-[a-c]", "web-[a-c]", "no range of numbers: it is written [1-8]"},
		"one number":          {"web-[12]", "web-[12]", "no range of numbers"},
		"an empty range":      {"web-[]", "web-[]", "no range of numbers"},
		"a range backwards":   {"web-[8-1]", "web-[8-1]", "backwards, from 8 to 1"},
		"an open range":       {"web-[1-8", "web-[1-8", "[ is not closed by ]"},
		"a closed range":      {"web-1-8]", "web-1-8]", "letters, digits"},
		"blanks in a range":   {"web-[1, 2]", "web-[1,", "not closed"},
		"an open brace":       {"web-{1..8", "web-{1..8", "{ is not closed by }"},
		"one in braces":       {"web-{1}", "web-{1}", "written {1..8} or {a,b}"},
		"braces in braces":    {"web-{a,[1-2]}", "web-{a,[1-2]}", "written {1..8} or {a,b}"},
		"a range of users":    {"u[1-2]@web", "u[1-2]@web", "login name"},
		"far too many":        {"web-[1-99999]", "web-[1-99999]", "more than 10000 hosts"},
		"too many in all":     {"w[1-999]-[1-999]", "w[1-999]-[1-999]", "more than 10000 hosts"},
		"a number too large":  {"w[1-99999999999999999999]", "w[1-9", "too large a number"},
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
		"a range":                {"web-[1-8]", "", "web-1 web-2:2222"},
		"a range of two digits":  {"web-[2-12]", "", "web-2:2222"},
		"some of a range":        {"web-[1,3-4],db", "", "web-1 me@db"},
		"a range of bash":        {"", "web-{2..8}", "web-1 me@db [::1]"},
		"words of bash":          {"{web-1,db}", "", "web-1 me@db"},
		"a range and a pattern":  {"*[1-8]*", "", "web-1 web-2:2222 [::1]"},
		"a class and a range":    {"w[aeiou]b-[2-30]", "", "web-2:2222"},
		"a class of digits":      {"web-[12]", "", "web-1 web-2:2222"},
		"an address in brackets": {"[::1]", "", "[::1]"},
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
	_, err = inventory.Select(parse(t, "web-[1-500]"), []string{"web-[501-600]"}, nil)
	require.ErrorContains(t, err, `"web-[501-600]" is none of the hosts: web-1 web-2 `)
	require.ErrorContains(t, err, " web-12 and 488 more")
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
	for _, seed := range []string{"", "a,b c", "me@web:22", "[::1]:22", "[fe80::1%e]", "-x", "a@b@c", "None", "a:b:c", "\x00", "wéb", "@", "[", "]:1", "w[1-3,7].eu:22", "a{1..3},b", "{a,b}[01-03]", "w[1-", "u@[1-2]", "w[9-1]"} {
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
		names := inventory.Split(list)
		require.GreaterOrEqual(t, len(hosts), len(names))
		require.LessOrEqual(t, len(hosts), 10000*len(names))
		if len(hosts) < 1000 {
			chosen, err := inventory.Select(hosts, names, nil)
			require.NoError(t, err, "what HOSTS takes, --only takes")
			require.Equal(t, hosts, chosen)
		}
		for _, h := range hosts {
			require.NotEmpty(t, h.Name)
			require.False(t, strings.HasPrefix(h.Name, "-") || strings.HasPrefix(h.User, "-"))
			require.NotContains(t, h.String(), " ")
		}
	})
}

// Whatever a pattern is, it chooses hosts of the list in their order, or is
// refused.
func FuzzSelect(f *testing.F) {
	for _, seed := range []string{"web-1", "web-*", "web-[1-8]", "[12]", "w[a-c]b-{1..2}", "{db,x}", "\\[", "[", "{", "{}", "[]", "web-[1-9999]-[1-9999]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		fleet := parse(t, "web-[1-3] me@db:22 [::1]")
		only, err := inventory.Select(fleet, []string{pattern}, nil)
		if err != nil {
			return
		}
		require.NotEmpty(t, only)
		rest, err := inventory.Select(fleet, nil, []string{pattern})
		require.NoError(t, err)
		require.ElementsMatch(t, fleet, append(rest, only...))
	})
}

func parse(t *testing.T, list string) []inventory.Host {
	t.Helper()
	hosts, err := inventory.ParseHosts(list)
	require.NoError(t, err)
	return hosts
}

func words(list string) []string { return inventory.Split(list) }
