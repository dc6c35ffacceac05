package embedded

import (
	"regexp"
	"strconv"
)

// runID names a build: JOB#NUMBER.
var runID = regexp.MustCompile(`^(.+)#([1-9][0-9]{0,17})$`)

// runFilters say which builds of a job a run parameter may stand for by default.
var runFilters = map[string]func(*record) bool{
	"": permalinks["lastBuild"], "ALL": permalinks["lastBuild"], "COMPLETED": permalinks["lastCompletedBuild"],
	"SUCCESSFUL": permalinks["lastSuccessfulBuild"], "STABLE": permalinks["lastStableBuild"],
}

// lastRun is the newest build that the definition lets pass; empty: there is none.
func (s *Server) lastRun(d definition) string {
	j := s.jobs[d.job]
	if j == nil {
		return ""
	}
	r := j.latest(runFilters[d.filter])
	if r == nil {
		return ""
	}
	return j.name + r.name()
}

// runVariables are what a build sees of a run: its address in the variable
// itself, and its parts beside.
func (s *Server) runVariables(v value) []string {
	parts := runID.FindStringSubmatch(v.Value)
	if parts == nil {
		return nil
	}
	address, result := "UNKNOWN", "UNKNOWN"
	number, _ := strconv.ParseInt(parts[2], 10, 64) // the expression holds
	if j := s.jobs[parts[1]]; j != nil {
		if r := j.build(number); r != nil {
			address = r.url(j, s.options.URL)
			if r.Result != "" {
				result = r.Result
			}
		}
	}
	return []string{
		v.Name + "=" + address, v.Name + "_JOBNAME=" + parts[1], v.Name + "_NUMBER=" + parts[2],
		v.Name + "_NAME=#" + parts[2], v.Name + "_RESULT=" + result,
	}
}
