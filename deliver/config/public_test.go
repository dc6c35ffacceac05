package config_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"deliver/config"
	"deliver/inventory"
)

// What becomes of the configs that people have: each is of a form found in
// public projects, with names of our own.
func TestConfigsAsPeopleWriteThem(t *testing.T) {
	t.Parallel()
	type outcome struct {
		app, user, to, hosts string
		functions            []string
	}
	for name, c := range map[string]struct {
		config string
		env    []string
		want   outcome
	}{
		"a server's config of the original": {
			config: `
#!/usr/bin/env bash
APP="events"
HOSTS="node-1, node-2 ,node-3"
PORT="5000"
STRATEGY="tarball"
SUPERVISOR="upstart"
`,
			want: outcome{app: "events", user: "events", to: "~events/app", hosts: "node-1 node-2 node-3"},
		},
		"no app and no hosts, only what a strategy takes": {
			config: `
STRATEGY=tarball
GENERATE_CMD="rake docs publish"
`,
			want: outcome{app: "shop", user: "shop", to: "~shop/app"},
		},
		"files beside the tool's own": {
			config: `
ASSETS_DIR="$ORIGIN_DIR/docs"
DELIVER_TO="/srv/$(basename "$ORIGIN_DIR")"
HOSTS=a
`,
			want: outcome{app: "shop", user: "shop", to: "/srv/shop", hosts: "a"},
		},
		"an Elixir project, for production": {
			config: `
APP="blog"
BUILD_HOST="build.example.com"
BUILD_USER="$USER"
BUILD_AT="/tmp/edeliver/$APP/builds"
STAGING_HOSTS="stage.example.com"
STAGING_USER="deploy"
TEST_AT="/home/deploy/staging"
PRODUCTION_HOSTS="one.example.com two.example.com" # both
PRODUCTION_USER="web"
DELIVER_TO="/home/web"
pre_erlang_get_and_update_deps() {
  local _secret="/home/$USER/prod.secret.exs" # on the build host
  if [ "$TARGET_MIX_ENV" = "prod" ]; then
    __sync_remote "
      ln -sfn '$_secret' '$BUILD_AT/config/prod.secret.exs'
    "
  fi
}
post_extract_release_archive() {
 status "Linking"
}
`,
			env: []string{"DELIVER_ENV=production"},
			want: outcome{
				app: "blog", user: "web", to: "/home/web", hosts: "one.example.com two.example.com",
				functions: []string{"post_extract_release_archive", "pre_erlang_get_and_update_deps"},
			},
		},
		"the same, for staging": {
			config: `
APP=blog
STAGING_HOSTS=stage.example.com
STAGING_USER=deploy
PRODUCTION_HOSTS="one.example.com"
STAGING_DELIVER_TO=/home/deploy/staging
DELIVER_TO=/home/web
`,
			env:  []string{"DELIVER_ENV=staging"},
			want: outcome{app: "blog", user: "deploy", to: "/home/deploy/staging", hosts: "stage.example.com"},
		},
		"hosts from helper variables, and USER overwritten": {
			config: `
US="198.51.100.7"
UK="198.51.100.8"
USER="pusher"
APP=chat
APP_USER=$USER
HOSTS="$US $UK"
DELIVER_TO="/home/$USER"
`,
			want: outcome{app: "chat", user: "pusher", to: "/home/pusher", hosts: "198.51.100.7 198.51.100.8"},
		},
		"backticks with quotes in quotes, of a program that is not there": {
			config: "THIS_DIR=`dirname \"$(no-such-perl -e 'print \"x\"' $0 2>/dev/null)\"`\nAPP=volunteer\nHOSTS=a\n",
			want:   outcome{app: "volunteer", user: "volunteer", to: "~volunteer/app", hosts: "a"},
		},
		"assigned twice, the second from the first": {
			config: "APP=games\nDELIVER_TO=/srv\nDELIVER_TO=\"$DELIVER_TO/$APP\"\nHOSTS=a\nHOSTS=\"$HOSTS b\"\n",
			want:   outcome{app: "games", user: "games", to: "/srv/games", hosts: "a b"},
		},
		"a whole function commented out, stars, no final newline": {
			config: "APP=mirror\nPASSWORD=\"***\"\n# pre_x() {\n#   rm -rf \"$DELIVER_TO\"\n# }\nHOSTS='a'",
			want:   outcome{app: "mirror", user: "mirror", to: "~mirror/app", hosts: "a"},
		},
		"a template with a place to fill in": {
			config: "APP=\"<your app>\"\nAPP=${APP/<your app>/plain}\nHOSTS=${HOSTS:-fallback}\n",
			want:   outcome{app: "plain", user: "plain", to: "~plain/app", hosts: "fallback"},
		},
		"hooks that change where the app goes": {
			config: "APP=games\nHOSTS=a\nDELIVER_TO=/srv/games/app\npre_switch() { DELIVER_TO=\"$(dirname \"$DELIVER_TO\")\"; }\n",
			want:   outcome{app: "games", user: "games", to: "/srv/games/app", hosts: "a", functions: []string{"pre_switch"}},
		},
		"environments as shell functions around deliver": {
			config: "APP=games\n",
			env:    []string{"HOSTS=ruby-1,ruby-2", "PORT=5000", "APP=other"},
			want:   outcome{app: "other", user: "other", to: "~other/app", hosts: "ruby-1 ruby-2"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := load(t, configured(t, c.config), c.env...)
			assert.Equal(t, c.want, outcome{
				app: got.App, user: got.AppUser, to: got.DeliverTo,
				hosts: inventory.Join(got.Hosts), functions: got.Script.Functions(),
			})
		})
	}
}

func TestSuggestions(t *testing.T) {
	t.Parallel()
	known := []string{"BATCH", "HOSTS", "PORT", "KEEP_RELEASES", "APP"}
	for word, want := range map[string]string{
		"BACTH":         " (did you mean BATCH?)",
		"HOST":          " (did you mean HOSTS?)",
		"HHOSTS":        " (did you mean HOSTS?)",
		"PORTS":         " (did you mean PORT?)",
		"KEEPRELEASE":   " (did you mean KEEP_RELEASES?)",
		"APPP":          " (did you mean APP?)",
		"BATCH":         "",
		"BTHAC":         "",
		"US":            "",
		"":              "",
		"SOMETHINGELSE": "",
	} {
		assert.Equal(t, want, config.Suggest(word, known), word)
	}
}
