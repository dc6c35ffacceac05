package rollout

import (
	"sync"
	"time"
)

// progressEvery keeps a fast step from flooding whoever listens.
const progressEvery = 200 * time.Millisecond

// Teller lets a step tell what it does while it does it. A nil Teller tells
// nobody; so does one whose step has ended.
type Teller struct {
	mu    sync.Mutex
	tell  func(Event)
	last  time.Time // of the last progress told
	ended bool
}

// Progress tells how many bytes of how many are done; a total of 0 is not
// known. It may be called often: what comes too fast is left out, but not
// the first and the last.
func (t *Teller) Progress(done, total int64) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if done != total && now.Sub(t.last) < progressEvery {
		return
	}
	t.last = now
	t.send(Event{Kind: StepProgress, Done: done, Total: total})
}

// Message tells a line of text, as a hook's output or a warning.
func (t *Teller) Message(text string) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.send(Event{Kind: Message, Text: text})
}

func (t *Teller) send(e Event) {
	if !t.ended {
		t.tell(e)
	}
}

// end mutes the teller, so that a step that was left behind is not heard of
// after it was told failed.
func (t *Teller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
}
