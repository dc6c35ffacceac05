package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"autobuilder/build"
)

// told is what deliver sends of a run: when it begins, how far its hosts are, and
// when it ended. What else stands in the message is for others.
type told struct {
	Run         string    `json:"run"`
	Build       string    `json:"build"`
	Job         string    `json:"job"`
	Environment string    `json:"environment"`
	Action      string    `json:"action"`
	By          string    `json:"by"`
	Only        string    `json:"only"`
	Started     time.Time `json:"started"`
	Ended       time.Time `json:"ended"`
	Result      string    `json:"result"`
	Error       string    `json:"error"`
	Release     struct {
		ID      string `json:"id"`
		App     string `json:"app"`
		Version string `json:"version"`
		Commit  string `json:"commit"`
		SHA256  string `json:"sha256"`
		Size    int64  `json:"size"`
	} `json:"release"`
	Hosts []build.Host `json:"hosts"`
}

// apiRollout keeps what deliver tells.
func (s *server) apiRollout(w http.ResponseWriter, r *http.Request, _ string) {
	var m told
	if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
		s.fail(w, r, http.StatusBadRequest, "the body is no message of deliver: "+err.Error())
		return
	}
	if m.Run == "" || m.Release.ID == "" || m.Started.IsZero() || m.Action != "push" && m.Action != "rollback" {
		s.fail(w, r, http.StatusBadRequest, "the message lacks run, release.id or started, or its action is neither push nor rollback")
		return
	}
	if m.Result != "" && m.Ended.IsZero() {
		s.fail(w, r, http.StatusBadRequest, "the message has a result but no end")
		return
	}
	err := s.People.Told(r.Context(), build.Rollout{
		Run: m.Run, Build: m.Build, Project: m.Release.App, Environment: m.Environment, Action: m.Action, Release: m.Release.ID,
		Version: m.Release.Version, Commit: m.Release.Commit, By: m.By, Only: m.Only, Result: m.Result, Error: m.Error,
		Started: m.Started, Ended: m.Ended, SHA256: m.Release.SHA256, Size: m.Release.Size, Hosts: m.Hosts,
	}, m.Job)
	if errors.Is(err, build.ErrUnknown) {
		s.fail(w, r, http.StatusNotFound, err.Error())
		return
	}
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
