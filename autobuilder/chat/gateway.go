package chat

import (
	"encoding/json"
	"net/http"
)

// mostBody bounds what a gateway sends.
const mostBody = 64 << 10

// spoken is what a gateway to a room sends: Hubot's script, or another program.
type spoken struct {
	Text    string `json:"text"`
	Account string `json:"account"`
	Name    string `json:"name"`
	Room    string `json:"room"`
	ID      string `json:"id"`
}

// answered is what it gets.
type answered struct {
	Text   string `json:"text"`
	Public bool   `json:"public"`
}

// Gateway answers a program that brings what people say in rooms. Whether it may
// is decided before.
func (d *Desk) Gateway(w http.ResponseWriter, r *http.Request, service string) {
	var s spoken
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostBody)).Decode(&s); err != nil {
		http.Error(w, "the body is no JSON with text, account, name, room and id: "+err.Error(), http.StatusBadRequest)
		return
	}
	reply := d.Answer(r.Context(), Sentence{
		By: Person{Account: s.Account, Name: s.Name, Service: service, Room: s.Room}, Text: s.Text, ID: s.ID,
	})
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answered(reply)) // one that went away is no fault of ours
}
