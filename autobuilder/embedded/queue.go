package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// item is a build that waits for its turn.
type item struct {
	ID     int64     `json:"id"`
	Job    string    `json:"job"`
	Params []value   `json:"params,omitempty"`
	Cause  string    `json:"cause"`
	Since  time.Time `json:"since"`
	Due    time.Time `json:"due"` // the end of its quiet period

	why string
}

// queue is what waits, and the number that the next item gets. Both are on
// disk before a trigger is answered, so that no number is given twice.
type queue struct {
	Next  int64   `json:"next"`
	Items []*item `json:"items"`

	file      string
	cancelled []*item // the last few, so that who asks for one hears of it
}

const rememberCancelled = 1000

func (s *Server) loadQueue() error {
	s.queue = queue{Next: 1, file: filepath.Join(s.options.Dir, "queue.json")}
	if err := readJSON(s.queue.file, &s.queue); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.queue.Items = slices.DeleteFunc(s.queue.Items, func(it *item) bool {
		_, r := s.buildOf(it.ID)
		return r != nil || s.jobs[it.Job] == nil
	})
	for _, j := range s.jobs {
		for _, r := range j.builds {
			s.queue.Next = max(s.queue.Next, r.QueueID+1)
		}
	}
	return nil
}

// buildOf is the build that a queue item became.
func (s *Server) buildOf(id int64) (*job, *record) {
	for _, j := range s.jobs {
		if r := j.latest(func(r *record) bool { return r.QueueID == id }); r != nil {
			return j, r
		}
	}
	return nil, nil
}

// add puts a build into the queue. One that waits there with the same
// parameters is joined, as in Jenkins: the answer to the first may be lost.
func (q *queue) add(it item) (*item, error) {
	for _, waiting := range q.Items {
		if waiting.Job == it.Job && slices.Equal(waiting.Params, it.Params) {
			return waiting, nil
		}
	}
	it.ID, it.why = q.Next, "In the quiet period"
	before := q.Items
	q.Next++
	q.Items = append(slices.Clone(q.Items), &it)
	if err := q.save(); err != nil {
		q.Items = before
		return nil, err
	}
	return &it, nil
}

func (q *queue) save() error { return writeJSON(q.file, q) }

func (q *queue) find(id int64) *item {
	for _, it := range q.Items {
		if it.ID == id {
			return it
		}
	}
	return nil
}

// remove takes items out; after a failed write they are still in.
func (q *queue) remove(match func(*item) bool) error {
	before := q.Items
	q.Items = slices.DeleteFunc(slices.Clone(q.Items), match)
	if err := q.save(); err != nil {
		q.Items = before
		return err
	}
	var err error
	for _, it := range before {
		if match(it) {
			err = errors.Join(err, discard(filepath.Dir(q.file), it.Params))
		}
	}
	return err
}

func (q *queue) cancel(it *item) error {
	if err := q.remove(func(other *item) bool { return other == it }); err != nil {
		return err
	}
	q.cancelled = append(q.cancelled, it)
	q.cancelled = q.cancelled[max(0, len(q.cancelled)-rememberCancelled):]
	return nil
}

func (q *queue) drop(job string) error {
	return q.remove(func(it *item) bool { return it.Job == job })
}

// idle is how long the server sleeps when nothing waits for a moment to come;
// what the disk refused is tried again then.
const idle = 5 * time.Second

// startReady starts every item whose turn it is, and says when to look again.
func (s *Server) startReady(ctx context.Context, builds *sync.WaitGroup) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := idle
	for _, it := range slices.Clone(s.queue.Items) {
		if wait := time.Until(it.Due); wait > 0 {
			next = min(next, wait)
			continue
		}
		if it.why = s.obstacle(it); it.why != "" {
			continue
		}
		if err := s.start(ctx, it, builds); err != nil {
			it.why = "Cannot start: " + err.Error()
			s.options.Logger.Error("start build", "job", it.Job, "error", err)
		}
	}
	return next
}

// obstacle says what an item waits for.
func (s *Server) obstacle(it *item) string {
	j := s.jobs[it.Job]
	for r := range s.running {
		if r.job == j && !j.spec.concurrent {
			return fmt.Sprintf("Build #%d is already in progress", r.record.Number)
		}
	}
	switch {
	case j.spec.disabled:
		return it.Job + " is disabled"
	case j.broken != nil:
		return j.broken.Error()
	case len(s.running) >= s.options.Executors:
		return "Waiting for next available executor"
	}
	return ""
}

// start makes a build of an item. The build is on disk before the item leaves
// the queue: whoever dies between leaves both, and loadQueue drops the item.
func (s *Server) start(ctx context.Context, it *item, builds *sync.WaitGroup) error {
	j := s.jobs[it.Job]
	rec, err := j.add(it, time.Now())
	if err != nil {
		return err
	}
	if err := s.adopt(rec); err != nil { // the build says what it lacks
		s.options.Logger.Error("take over file parameters", "job", j.name, "build", rec.Number, "error", err)
	}
	if err := s.queue.remove(func(other *item) bool { return other == it }); err != nil {
		s.options.Logger.Error("save queue", "error", err)
		s.queue.Items = slices.DeleteFunc(s.queue.Items, func(other *item) bool { return other == it })
	}
	r := s.newRun(j, rec)
	s.running[r] = struct{}{}
	ctx, r.abort = context.WithCancelCause(ctx)
	builds.Go(func() { s.execute(ctx, r) })
	return nil
}
