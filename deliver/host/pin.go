package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// Pin holds a server on what it was rolled back to: a push is refused until
// the pin is taken away or a newer version comes.
type Pin struct {
	Release string    `json:"release"`           // that stays
	From    string    `json:"from"`              // the release that was rolled back from
	Version string    `json:"version,omitempty"` // of From
	By      string    `json:"by,omitempty"`
	Since   time.Time `json:"since"`
}

// Pin pins the server, or takes the pin away where pin is nil.
func (l *Local) Pin(ctx context.Context, pin *Pin) error {
	done, err := l.step(ctx)
	if err != nil {
		return err
	}
	defer done()
	if pin == nil {
		err := os.Remove(l.state("pin.json"))
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return l.wrap("take the pin away", err)
	}
	if err := l.prepare(); err != nil {
		return err
	}
	text, err := json.Marshal(pin)
	if err != nil {
		return fmt.Errorf("encode the pin: %w", err)
	}
	return l.wrap("pin", l.save(l.state("pin.json"), append(text, '\n')))
}

// pin is what the server is pinned to, nil without a pin.
func (l *Local) pin() (*Pin, error) {
	text, err := os.ReadFile(l.state("pin.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, l.wrap("read the pin", err)
	}
	var pin Pin
	if json.Unmarshal(text, &pin) != nil {
		pin = Pin{From: "an unknown release"} // whatever it was, somebody wanted pushes to stop
	}
	return &pin, nil
}
