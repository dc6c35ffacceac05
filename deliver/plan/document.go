package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"deliver/release"
)

// Document is a delivery before it is made: what was asked for, what was
// found, and what would be done. Sealed and written to a file it is what
// deliver apply does, and nothing else.
type Document struct {
	V       int       `json:"v"`
	Deliver string    `json:"deliver"` // the version that planned
	Created time.Time `json:"created"`
	By      string    `json:"by"`
	Action  string    `json:"action"`
	App     string    `json:"app"`

	Release release.Record `json:"release"`
	From    release.Record `json:"from,omitzero"` // of a rollback: what is rolled back from

	Asked    map[string]string `json:"asked,omitempty"`  // settings given on the command line
	Settings map[string]string `json:"settings"`         // all that say what is done, however they were given
	Config   string            `json:"config,omitempty"` // digest of .deliver/config and of the functions it defines
	Order    Order             `json:"order"`
	Limits   Limits            `json:"limits"`

	Forecast
	Changes []Change `json:"changes,omitempty"`
	Code    int      `json:"exit_code"` // that the delivery would end with

	Digest string `json:"digest"`
}

// Forecast is what a rehearsal of a delivery saw.
type Forecast struct {
	Course []Leg  `json:"course"`
	Hosts  []Host `json:"hosts"`
	Result string `json:"result"`
	Why    string `json:"why,omitempty"` // it would not end well
}

// Leg is one leg of the course of a run, in the order in which they come: a
// step of the run's own, as a hook that is called once, or a stage that hosts
// take at the same time.
type Leg struct {
	Step  string   `json:"step,omitempty"`
	Stage string   `json:"stage,omitempty"`
	Hosts []string `json:"hosts,omitempty"` // of a stage
}

// Host is one host of a plan.
type Host struct {
	Name string `json:"name"` // as HOSTS writes it
	State
	Version string `json:"version,omitempty"` // of what it runs
	Commit  string `json:"commit,omitempty"`
	Does    []Do   `json:"does,omitempty"`
	Result  string `json:"result"`
	Problem string `json:"problem,omitempty"`
}

// Do is one thing that is done to a host.
type Do struct {
	What string `json:"what"` // receive, switch, restart …
	With string `json:"with"` // the command, the question, the release
}

// Change is what the release brings to hosts that run one release.
type Change struct {
	From    string   `json:"from"`
	Back    bool     `json:"back,omitempty"` // the commits are taken away
	Commits []string `json:"commits"`        // the newest first
	More    int      `json:"more,omitempty"` // that are not listed
}

// documentVersion grows when an older deliver would misunderstand a Document.
const documentVersion = 1

// longestDocument is more than a plan for ten thousand hosts takes.
const longestDocument = 64 << 20

// ErrEdited is the error of a document that is not as it was sealed.
var ErrEdited = errors.New("the plan was edited")

// Seal completes the document with its version and its digest.
func (d *Document) Seal() error {
	d.V = documentVersion
	digest, err := d.sum()
	d.Digest = digest
	return err
}

// sum is the digest over all of the document but the digest itself.
func (d *Document) sum() (string, error) {
	bare := *d
	bare.Digest = ""
	text, err := json.Marshal(bare)
	if err != nil {
		return "", fmt.Errorf("encode the plan: %w", err)
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// Read reads a sealed document. One that is not as it was sealed is an
// ErrEdited.
func Read(r io.Reader) (*Document, error) {
	limited := &io.LimitedReader{R: r, N: longestDocument + 1}
	in := json.NewDecoder(limited)
	in.DisallowUnknownFields()
	var d Document
	err := in.Decode(&d)
	switch {
	case limited.N == 0:
		return nil, fmt.Errorf("it is longer than %d MB", longestDocument>>20)
	case err != nil:
		return nil, fmt.Errorf("it is no plan: %w", err)
	}
	if _, err := in.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("it is no plan: something follows it")
	}
	return &d, d.check()
}

// check says what keeps a document from being applied by this deliver.
func (d *Document) check() error {
	if d.V != documentVersion {
		return fmt.Errorf("it is a plan of version %d, and this deliver knows version %d; plan anew", d.V, documentVersion)
	}
	digest, err := d.sum()
	if err != nil {
		return err
	}
	if digest != d.Digest {
		return fmt.Errorf("%w: its digest is %.23s, and it was sealed with %.23s", ErrEdited, digest, printable(d.Digest))
	}
	switch {
	case d.Release.ID == "" || d.Release.Digest() == "":
		return errors.New("it is no plan: it names no release")
	case len(d.Hosts) == 0:
		return errors.New("it is no plan: it names no host")
	}
	return errors.Join(d.Order.Validate(), d.Limits.Validate())
}

// printable keeps what a file says from reaching the terminal as it is.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}

// Host gives a host of the plan by its name.
func (d *Document) Host(name string) (Host, bool) {
	for _, h := range d.Hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}
