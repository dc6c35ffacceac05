package rollout

// Teller lets a step tell what it does while it does it. A nil Teller tells
// nobody.
type Teller struct {
	tell func(Event)
}

// Progress tells how many bytes of how many are done. It may be called often.
func (t *Teller) Progress(done, total int64) {
	if t != nil {
		t.tell(Event{Kind: StepProgress, Done: done, Total: total})
	}
}

// Message tells a line of text, as a hook's output or a warning.
func (t *Teller) Message(text string) {
	if t != nil {
		t.tell(Event{Kind: Message, Text: text})
	}
}
