package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

// GitHub is an OAuth app of GitHub's, and whom of its people are ours.
type GitHub struct {
	ClientID     string // empty: there is none
	Secret       string
	URL          string   // https://github.com
	API          string   // https://api.github.com
	Users        []string // who may act
	Organization string   // whose members may act
}

func (g GitHub) given() bool { return g.ClientID != "" }

// listed says whether somebody may be ours; of members GitHub was asked when they
// signed in.
func (g GitHub) listed(name string) bool {
	return g.Organization != "" || slices.ContainsFunc(g.Users, func(user string) bool { return strings.EqualFold(user, name) })
}

// CallbackPath is where GitHub sends people back to.
const CallbackPath = "/sign-in/github/callback"

// ErrRefused says that somebody did not get in; the text says why.
var ErrRefused = errors.New("not signed in")

const (
	roundTrip     = 10 * time.Minute // to GitHub's page and back
	githubTimeout = 10 * time.Second
	mostOfAnswer  = 1 << 20
)

// trip is what the cookie keeps of somebody who is at GitHub's page.
type trip struct {
	State    string `json:"s"`
	Verifier string `json:"p"`
	Back     string `json:"b"`
	Until    int64  `json:"u"`
}

func (d *Desk) oauth() *oauth2.Config {
	c := &oauth2.Config{
		ClientID: d.GitHub.ClientID, ClientSecret: d.GitHub.Secret, RedirectURL: d.URL + CallbackPath,
		Endpoint: oauth2.Endpoint{
			AuthURL: d.GitHub.URL + "/login/oauth/authorize", TokenURL: d.GitHub.URL + "/login/oauth/access_token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
	if d.GitHub.Organization != "" {
		c.Scopes = []string{"read:org"}
	}
	return c
}

// Begin sends the browser to GitHub; back is the page to return to.
func (d *Desk) Begin(w http.ResponseWriter, r *http.Request, back string) {
	t := trip{State: oauth2.GenerateVerifier(), Verifier: oauth2.GenerateVerifier(), Back: LocalPath(back), Until: time.Now().Add(roundTrip).Unix()}
	d.write(w, "trip", t, roundTrip)
	http.Redirect(w, r, d.oauth().AuthCodeURL(t.State, oauth2.S256ChallengeOption(t.Verifier)), http.StatusSeeOther)
}

// Finish takes the browser back from GitHub, begins its session and says where
// to go on.
func (d *Desk) Finish(w http.ResponseWriter, r *http.Request) (back string, err error) {
	var t trip
	if !d.read(r, "trip", &t) {
		return "/", fmt.Errorf("%w: it took too long, or began in another browser: try again", ErrRefused)
	}
	d.write(w, "trip", nil, -1)
	query := r.URL.Query()
	if subtle.ConstantTimeCompare([]byte(query.Get("state")), []byte(t.State)) != 1 {
		return t.Back, fmt.Errorf("%w: what GitHub sent is not what was asked for: try again", ErrRefused)
	}
	if why := query.Get("error"); why != "" {
		return t.Back, fmt.Errorf("%w: GitHub says %s", ErrRefused, why)
	}
	ctx, cancel := context.WithTimeout(r.Context(), githubTimeout)
	defer cancel()
	token, err := d.oauth().Exchange(ctx, query.Get("code"), oauth2.VerifierOption(t.Verifier))
	if err != nil {
		return t.Back, fmt.Errorf("%w: GitHub did not take the code: %w", ErrRefused, err)
	}
	name, err := d.GitHub.ours(ctx, token.AccessToken)
	if err != nil {
		return t.Back, err
	}
	d.begin(w, session{Name: name, Via: ViaGitHub})
	return t.Back, nil
}

// ours asks GitHub who it is, and whether they are one of ours.
func (g GitHub) ours(ctx context.Context, token string) (name string, err error) {
	var user struct {
		Login string `json:"login"`
	}
	if err := g.ask(ctx, token, "/user", &user); err != nil {
		return "", fmt.Errorf("%w: GitHub did not say who it is: %w", ErrRefused, err)
	}
	if user.Login == "" {
		return "", fmt.Errorf("%w: GitHub did not say who it is", ErrRefused)
	}
	if slices.ContainsFunc(g.Users, func(ours string) bool { return strings.EqualFold(ours, user.Login) }) {
		return user.Login, nil
	}
	if g.Organization == "" {
		return "", fmt.Errorf("%w: %s is not in sign_in.github.users", ErrRefused, user.Login)
	}
	var member struct {
		State string `json:"state"`
	}
	err = g.ask(ctx, token, "/user/memberships/orgs/"+url.PathEscape(g.Organization), &member)
	if err != nil || member.State != "active" {
		return "", fmt.Errorf("%w: %s is no member of %s", ErrRefused, user.Login, g.Organization)
	}
	return user.Login, nil
}

func (g GitHub) ask(ctx context.Context, token, path string, v any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, g.API+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/vnd.github+json")
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("X-GitHub-Api-Version", "2022-11-28")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was read
	if answer.StatusCode != http.StatusOK {
		return errors.New(answer.Status)
	}
	return json.NewDecoder(io.LimitReader(answer.Body, mostOfAnswer)).Decode(v)
}

// LocalPath is the path of one of our own pages; anything else becomes the first.
func LocalPath(path string) string {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(path, "/") || strings.HasPrefix(path, "//") || strings.ContainsAny(path, "\\\r\n") {
		return "/"
	}
	return path
}
