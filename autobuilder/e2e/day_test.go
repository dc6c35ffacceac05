package e2e

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"autobuilder/labtest"
)

// day is a lab with a team around it, and with who is told.
type day struct {
	*lab
	began  time.Time
	screen context.Context //nolint:containedctx // chromedp's browser is one
	room   *labtest.Hubot
	pager  *labtest.PagerDuty
	carbon *labtest.Carbon
}

// dayTime bounds each step of the story.
const dayTime = 2 * time.Minute

// query is what the monitor of the sample is asked.
const query = "sum(sample_failed_total) > 0"

func newDay(t *testing.T) *day {
	t.Helper()
	l := newLab(t, shape{jenkins: "embedded", kind: "namespaces"})
	l.env = append(l.env, "GITHUB_USER=ada", "LAB_HOME="+l.home)
	d := &day{lab: l, began: time.Now(), screen: labtest.Browse(t), pager: labtest.StartPagerDuty(t, nil), carbon: labtest.StartCarbon(t)}
	l.binaries()
	l.demo("servers", "balancer", "services", "project")
	var apps []string
	for i := range l.servers() {
		apps = append(apps, fmt.Sprintf("%s.%d:3000", l.net, i+1))
	}
	bot := labtest.Free(t, 1)[0]
	d.configure(bot, labtest.StartPrometheus(t, apps...))
	d.room = labtest.StartHubot(t, labtest.HubotOptions{Address: bot, URL: l.page, Token: "hubot's token", Secret: "hubot's secret"})
	d.signsIn("grace")
	return d
}

// configure adds to autobuilder.yml who watches, who is told and who decides, and
// has the autobuilder that runs read it.
func (d *day) configure(bot, prometheus string) {
	d.t.Helper()
	dir := filepath.Join(d.dir, "autobuilder")
	for name, secret := range map[string]string{
		"hubot.token": "hubot's token", "hubot.secret": "hubot's secret", "grace.token": "grace's token",
		"pagerduty.key": "0123456789abcdef0123456789abcdef",
	} {
		require.NoError(d.t, os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600))
	}
	file := filepath.Join(dir, "autobuilder.yml")
	text, err := os.ReadFile(file)
	require.NoError(d.t, err)
	var settings map[string]any
	require.NoError(d.t, yaml.Unmarshal(text, &settings))
	maps.Copy(settings, d.telling(bot))
	settings["tokens"] = append(settings["tokens"].([]any), map[string]any{"name": "hubot", "scopes": []string{"chat"}, "token_file": "hubot.token"},
		map[string]any{"name": "grace", "scopes": []string{"approve"}, "token_file": "grace.token"})
	sample := settings["projects"].([]any)[0].(map[string]any)
	sample["hold"] = map[string]any{"approvers": []string{"bob"}, "not_pusher": true}
	sample["watch"] = map[string]any{"for": "5m", "every": "500ms", "failures": 2, "prometheus": prometheus, "query": query}
	text, err = yaml.Marshal(settings)
	require.NoError(d.t, err)
	require.NoError(d.t, os.WriteFile(file, text, 0o600))
	d.reload()
}

// telling is who is told, and who the room's people are.
func (d *day) telling(bot string) (settings map[string]any) {
	d.t.Helper()
	require.NoError(d.t, yaml.Unmarshal(fmt.Appendf(nil, `
poll: 200ms
chat: {people: {'1': bob}}
notify:
  webhooks: [{name: hubot, url: 'http://%s/hubot/autobuilder', secret_file: hubot.secret}]
  pagerduty: {url: '%s', key_file: pagerduty.key}
  carbon: {address: '%s', prefix: deploys}
`, bot, d.pager.URL, d.carbon.Address), &settings))
	return settings
}

// reload has autobuilder read its config anew.
func (d *day) reload() {
	d.t.Helper()
	require.NoError(d.t, syscall.Kill(d.autobuilder(), syscall.SIGHUP))
	require.Eventually(d.t, func() bool {
		log, err := os.ReadFile(filepath.Join(d.dir, "autobuilder.log"))
		return err == nil && strings.Contains(string(log), "config reloaded")
	}, dayTime, 20*time.Millisecond, "autobuilder takes its new config")
}

// signsIn types somebody's token into the page.
func (d *day) signsIn(name string) {
	d.t.Helper()
	d.sees(
		chromedp.Navigate(d.page+"/sign-in"),
		chromedp.SendKeys(chromedp.CSS("#token"), name+"'s token"),
		chromedp.Click(chromedp.CSS("button.good")),
		labtest.Until(`document.querySelector(".me").textContent.includes("`+name+`")`),
	)
}

// sees goes through steps in the browser.
func (d *day) sees(steps ...chromedp.Action[chromedp.Void]) {
	d.t.Helper()
	require.NoError(d.t, chromedp.Do(d.screen, steps...))
}

// follows a link to another page. Its part of the page may be renewed meanwhile.
func (d *day) follows(link, to string) chromedp.Action[chromedp.Void] {
	return labtest.Until(fmt.Sprintf(`location.pathname.startsWith(%q) || document.querySelector(%q)?.click()`, to, link))
}

// append writes to the end of a file of the project.
func (d *day) append(name, text string) {
	d.t.Helper()
	file, err := os.OpenFile(filepath.Join(d.dir, "project", name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(d.t, err)
	_, err = file.WriteString(text)
	require.NoError(d.t, err)
	require.NoError(d.t, file.Close())
}

// replace changes what stands once in a file of the project.
func (d *day) replace(name, old, now string) {
	d.t.Helper()
	path := filepath.Join(d.dir, "project", name)
	text, err := os.ReadFile(path)
	require.NoError(d.t, err)
	require.Equal(d.t, 1, strings.Count(string(text), old), "%s in %s", old, name)
	require.NoError(d.t, os.WriteFile(path, []byte(strings.Replace(string(text), old, now, 1)), 0o600))
}

// pushes makes what was changed a release.
func (d *day) pushes(tag string) {
	d.t.Helper()
	manifest := filepath.Join("project", "package.json")
	text, err := os.ReadFile(filepath.Join(d.dir, manifest))
	require.NoError(d.t, err)
	d.replace("package.json", `"version": "`+d.field(string(text), "version")+`"`, `"version": "`+tag[1:]+`"`)
	d.release(filepath.Join(d.dir, "project"), filepath.Join(d.dir, "sample.git"), tag)
}

// becomes waits until the tag's build is in the state.
func (d *day) becomes(tag, state string) {
	d.t.Helper()
	var b built
	require.Eventually(d.t, func() bool {
		b = d.newest()
		return b.Tag == tag && b.State == state
	}, dayTime, 100*time.Millisecond, "%s is %s", tag, state)
}

// pages is how often PagerDuty was told so.
func (d *day) pages(action string) int {
	n := 0
	for _, e := range d.pager.Events() {
		if e.Action == action {
			n++
		}
	}
	return n
}
