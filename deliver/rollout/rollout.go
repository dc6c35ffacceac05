// Package rollout is the conductor: it takes hosts through steps, in parallel
// or in batches, stops where too much fails, and takes back what was done.
package rollout
