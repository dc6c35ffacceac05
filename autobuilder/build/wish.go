package build

// Wish is a build that somebody asks for by hand.
type Wish struct {
	Project string `json:"project"`
	Ref     string `json:"ref,omitempty"` // branch, tag or full commit; empty: the project's branch
	Tag     string `json:"tag,omitempty"` // instead of Ref
	Again   bool   `json:"again,omitempty"`
}

// Prospect is what would become of a delivery.
type Prospect struct {
	Verdict string  `json:"verdict"`
	Why     string  `json:"why"`
	Builds  []Build `json:"builds,omitempty"` // that would be made
	Holds   []Hold  `json:"holds,omitempty"`  // of those that would wait for people
}
