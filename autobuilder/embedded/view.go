package embedded

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object as Jenkins' remote API makes them.
type object map[string]any

// newest bounds the builds that a job's JSON tells of, as in Jenkins.
const newest = 100

var permalinks = map[string]func(*record) bool{
	"lastBuild":             func(*record) bool { return true },
	"lastCompletedBuild":    func(r *record) bool { return !r.Building },
	"lastStableBuild":       func(r *record) bool { return r.Result == success },
	"lastSuccessfulBuild":   func(r *record) bool { return r.Result == success },
	"lastFailedBuild":       func(r *record) bool { return r.Result == failure },
	"lastUnsuccessfulBuild": func(r *record) bool { return !r.Building && r.Result != success },
}

// api answers with what view makes of the state; nil is a 404. A tree=
// parameter is taken and ignored: the client gets more than it asked for.
func (s *Server) api(view func(*Server, *http.Request) object) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		body := view(s, r)
		s.mu.Unlock()
		if body == nil {
			refuse(w, http.StatusNotFound, "")
			return
		}
		writeObject(w, body)
	}
}

func writeObject(w http.ResponseWriter, body object) {
	w.Header().Set("Content-Type", "application/json;charset=utf-8")
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

func (s *Server) me(w http.ResponseWriter, r *http.Request) {
	writeObject(w, object{"_class": "hudson.model.User", "id": who(r), "fullName": who(r)})
}

func (s *Server) crumb(w http.ResponseWriter, r *http.Request) {
	writeObject(w, object{
		"_class": "hudson.security.csrf.DefaultCrumbIssuer",
		"crumb":  s.session.crumb(s.session.of(w, r)), "crumbRequestField": crumbField,
	})
}

func rootView(s *Server, r *http.Request) object {
	jobs := []object{}
	for _, j := range s.sorted() {
		jobs = append(jobs, j.brief(s.root(r)))
	}
	all := object{"name": "all", "url": s.root(r)}
	return object{
		"_class": "hudson.model.Hudson", "mode": "NORMAL", "nodeName": "", "nodeDescription": "embedded in autobuilder",
		"description": nil, "numExecutors": s.options.Executors, "url": s.root(r), "jobs": jobs,
		"views": []object{all}, "primaryView": all, "quietingDown": false, "slaveAgentPort": -1,
		"useCrumbs": s.options.Token == "", "useSecurity": s.options.Token != "",
	}
}

func (s *Server) sorted() []*job {
	list := make([]*job, 0, len(s.jobs))
	for _, j := range s.jobs {
		list = append(list, j)
	}
	slices.SortFunc(list, func(a, b *job) int { return strings.Compare(a.name, b.name) })
	return list
}

func (j *job) brief(root string) object {
	return object{
		"_class": "hudson.model.FreeStyleProject", "name": j.name, "url": root + jobURL(j.name), "color": j.color(),
	}
}

func (j *job) color() string {
	last := j.latest(permalinks["lastCompletedBuild"])
	color := "notbuilt"
	switch {
	case j.spec.disabled:
		color = "disabled"
	case last != nil:
		color = map[string]string{success: "blue", failure: "red", aborted: "aborted"}[last.Result]
	}
	if j.latest(func(r *record) bool { return r.Building }) != nil {
		color += "_anime"
	}
	return color
}

func jobView(s *Server, r *http.Request) object {
	j := s.jobs[param(r, "job")]
	if j == nil {
		return nil
	}
	view := j.brief(s.root(r))
	builds := []object{}
	for _, rec := range slices.Backward(j.builds[max(0, len(j.builds)-newest):]) {
		builds = append(builds, rec.view(j, s.root(r)))
	}
	for name, match := range permalinks {
		view[name] = reference(j, j.latest(match), s.root(r))
	}
	queued := s.queuedFor(j, s.root(r))
	for key, v := range (object{
		"displayName": j.name, "fullName": j.name, "fullDisplayName": j.name, "description": j.spec.description,
		"buildable": !j.spec.disabled && j.broken == nil, "concurrentBuild": j.spec.concurrent,
		"nextBuildNumber": j.next, "builds": builds, "inQueue": queued != nil, "queueItem": queued,
		"property": []object{definitionsView(j.spec.params)}, "actions": []object{},
	}) {
		view[key] = v
	}
	return view
}

// queuedFor is any, so that "nothing" is null and not an empty object.
func (s *Server) queuedFor(j *job, root string) any {
	for _, it := range s.queue.Items {
		if it.Job == j.name {
			return it.view(j, root)
		}
	}
	return nil
}

func reference(j *job, r *record, root string) any {
	if r == nil {
		return nil
	}
	return object{"_class": buildClass, "number": r.Number, "url": r.url(j, root)}
}

func definitionsView(params []definition) object {
	list := []object{}
	for _, d := range params {
		view := object{
			"_class": "hudson.model." + d.kind, "type": d.kind, "name": d.name, "description": d.description,
			"defaultParameterValue": d.defaultView(),
		}
		if len(d.choices) > 0 {
			view["choices"] = d.choices
		}
		list = append(list, view)
	}
	return object{"_class": "hudson.model.ParametersDefinitionProperty", "parameterDefinitions": list}
}

// defaultView is any, so that "none" is null and not an empty object.
func (d definition) defaultView() any {
	if d.kind == fileKind || d.kind == runKind && d.fallback == "" {
		return nil
	}
	return value{Name: d.name, Value: d.fallback, Secret: d.kind == "PasswordParameterDefinition", Run: d.kind == runKind}.view()
}

const buildClass = "hudson.model.FreeStyleBuild"

func (r *record) url(j *job, root string) string {
	return root + jobURL(j.name) + strconv.FormatInt(r.Number, 10) + "/"
}

func buildView(s *Server, r *http.Request) object {
	j, rec := s.lookup(r)
	if rec == nil {
		return nil
	}
	return rec.view(j, s.root(r))
}

func (r *record) view(j *job, root string) object {
	number := strconv.FormatInt(r.Number, 10)
	view := object{
		"_class": buildClass, "number": r.Number, "id": number, "url": r.url(j, root),
		"displayName": "#" + number, "fullDisplayName": j.name + " #" + number,
		"building": r.Building, "result": nil, "timestamp": r.Started.UnixMilli(), "duration": 0, "estimatedDuration": -1,
		"queueId": r.QueueID, "builtOn": "", "keepLog": false, "artifacts": []object{}, "actions": actionsView(r.Params, r.Cause),
	}
	if !r.Building {
		view["result"], view["duration"] = r.Result, r.Ended.Sub(r.Started).Milliseconds()
	}
	return view
}

func actionsView(params []value, cause string) []object {
	actions := []object{{
		"_class": "hudson.model.CauseAction",
		"causes": []object{{"_class": "hudson.model.Cause$UserIdCause", "shortDescription": cause}},
	}}
	if len(params) == 0 {
		return actions
	}
	list := []object{}
	for _, p := range params {
		list = append(list, p.view())
	}
	return append(actions, object{"_class": "hudson.model.ParametersAction", "parameters": list})
}

func (v value) view() object {
	if v.Secret {
		return object{"_class": "hudson.model.PasswordParameterValue", "name": v.Name}
	}
	if v.File != "" {
		return object{"_class": "hudson.model.FileParameterValue", "name": v.Name}
	}
	if parts := runID.FindStringSubmatch(v.Value); v.Run && parts != nil {
		return object{"_class": "hudson.model.RunParameterValue", "name": v.Name, "jobName": parts[1], "number": parts[2]}
	}
	return object{"_class": "hudson.model.StringParameterValue", "name": v.Name, "value": v.Value}
}

func queueView(s *Server, r *http.Request) object {
	items := []object{}
	for _, it := range s.queue.Items {
		items = append(items, it.view(s.jobs[it.Job], s.root(r)))
	}
	return object{"_class": "hudson.model.Queue", "items": items}
}

func (it *item) view(j *job, root string) object {
	return object{
		"_class": "hudson.model.Queue$WaitingItem", "id": it.ID, "url": itemURL(it.ID), "task": j.brief(root),
		"why": it.why, "inQueueSince": it.Since.UnixMilli(), "blocked": false, "buildable": true, "stuck": false,
		"actions": actionsView(it.Params, it.Cause), "params": "",
	}
}

// itemView tells of items that wait, of those that became builds, and of the
// last few that were cancelled.
func itemView(s *Server, r *http.Request) object {
	id, err := strconv.ParseInt(param(r, "id"), 10, 64)
	if err != nil {
		return nil
	}
	if it := s.queue.find(id); it != nil {
		return it.view(s.jobs[it.Job], s.root(r))
	}
	if j, rec := s.buildOf(id); rec != nil {
		left := leftView(&item{ID: id, Params: rec.Params, Cause: rec.Cause}, j, s.root(r))
		left["cancelled"], left["executable"] = false, reference(j, rec, s.root(r))
		return left
	}
	for _, it := range s.queue.cancelled {
		if j := s.jobs[it.Job]; it.ID == id && j != nil {
			left := leftView(it, j, s.root(r))
			left["cancelled"] = true
			return left
		}
	}
	return nil
}

func leftView(it *item, j *job, root string) object {
	return object{
		"_class": "hudson.model.Queue$LeftItem", "id": it.ID, "url": itemURL(it.ID), "why": nil,
		"task": j.brief(root), "actions": actionsView(it.Params, it.Cause), "params": "",
	}
}
