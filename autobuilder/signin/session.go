package signin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// session is what the cookie of somebody who has signed in says.
type session struct {
	Name  string `json:"n"`
	Via   string `json:"v"`
	Token string `json:"t,omitempty"` // fingerprint of the token
	Until int64  `json:"u"`           // Unix time
}

// cookieName has a prefix that browsers hold to what it promises, where they can.
func (d *Desk) cookieName(of string) string {
	if d.secure {
		return "__Host-autobuilder-" + of
	}
	return "autobuilder-" + of
}

// session is whom the cookie names, if they may still be who they were.
func (d *Desk) session(r *http.Request) (Person, bool) {
	var s session
	if !d.read(r, "session", &s) {
		return Person{}, false
	}
	if s.Via == ViaGitHub && d.GitHub.given() && d.GitHub.listed(s.Name) {
		return Person{Name: s.Name, Scopes: everything(), Via: ViaGitHub}, true
	}
	for _, token := range d.Tokens() {
		if token.Name == s.Name && s.Via == ViaToken && fingerprint(token) == s.Token {
			return person(token), true
		}
	}
	return Person{}, false
}

// SignIn begins the session of who has the token.
func (d *Desk) SignIn(w http.ResponseWriter, given string) (Person, bool) {
	token, ok := d.token(strings.TrimSpace(given))
	if !ok {
		return Person{}, false
	}
	d.begin(w, session{Name: token.Name, Via: ViaToken, Token: fingerprint(token)})
	return person(token), true
}

func (d *Desk) begin(w http.ResponseWriter, s session) {
	s.Until = time.Now().Add(d.Session).Unix()
	d.write(w, "session", s, d.Session)
}

// SignOut ends the session of the browser.
func (d *Desk) SignOut(w http.ResponseWriter) { d.write(w, "session", nil, -1) }

// write sets a signed cookie; one without an age above 0 is taken away.
func (d *Desk) write(w http.ResponseWriter, of string, v any, age time.Duration) {
	value := ""
	if age > 0 {
		text, err := json.Marshal(v)
		if err != nil {
			return // of a struct of strings, there is none
		}
		value = d.sign(of, text)
	}
	http.SetCookie(w, &http.Cookie{
		Name: d.cookieName(of), Value: value, Path: "/", MaxAge: int(age.Seconds()),
		HttpOnly: true, Secure: d.secure, SameSite: http.SameSiteLaxMode,
	})
}

// read takes a cookie that this Desk wrote and that is not too old.
func (d *Desk) read(r *http.Request, of string, v any) bool {
	cookie, err := r.Cookie(d.cookieName(of))
	if err != nil {
		return false
	}
	text, ok := d.verify(of, cookie.Value)
	if !ok || json.Unmarshal(text, v) != nil {
		return false
	}
	var age struct {
		Until int64 `json:"u"`
	}
	return json.Unmarshal(text, &age) == nil && time.Now().Unix() < age.Until
}

func (d *Desk) sign(of string, text []byte) string {
	body := base64.RawURLEncoding.EncodeToString(text)
	return body + "." + base64.RawURLEncoding.EncodeToString(d.mac(of, body))
}

func (d *Desk) verify(of, value string) (text []byte, ok bool) {
	body, given, _ := strings.Cut(value, ".")
	mac, err := base64.RawURLEncoding.DecodeString(given)
	if err != nil || len(d.Key) == 0 || !hmac.Equal(mac, d.mac(of, body)) {
		return nil, false
	}
	text, err = base64.RawURLEncoding.DecodeString(body)
	return text, err == nil
}

// mac binds the text to what it is for: no cookie can stand for another.
func (d *Desk) mac(of, body string) []byte {
	mac := hmac.New(sha256.New, d.Key)
	mac.Write([]byte(of + "\x00" + body))
	return mac.Sum(nil)
}
