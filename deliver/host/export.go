package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/google/renameio/v2"

	"deliver/procfile"
)

// export is the processes of a Procfile as units of a service manager.
type export struct {
	manager string
	app     string // what the units' names begin with
	root    string // DELIVER_TO
	user    string // whom the processes run as; empty: who this is
	// mark is in each file; one without it is somebody else's.
	mark      string
	processes []procfile.Process
	env       []procfile.Variable
}

// unitFile is a file of an export.
type unitFile struct {
	path    string
	content string
	mode    os.FileMode
}

// exported is what was exported last, as it is kept on disk.
type exported struct {
	Manager string   `json:"manager"`
	Units   []string `json:"units"` // as the manager is told of them
	Files   []string `json:"files"`
}

// exporter is a service manager that processes can be exported to.
type exporter interface {
	manager
	name() string
	// usable says why this user cannot export to it here.
	usable() error
	// layout is the units of an export, and the files that make them.
	layout(e export) ([]string, []unitFile)
	// arrange has the manager take the files that were written.
	arrange(ctx context.Context, e export, units []string) error
	// drop ends a unit that is exported no more; its files are removed after that.
	drop(ctx context.Context, unit string) error
	// restartAll restarts what was exported.
	restartAll(ctx context.Context, e export, units []string) error
}

// isExported says whether a service is what a Procfile says.
func (s Service) isExported() bool { return s.Procfile != "" && s.Command == "" }

func (l *Local) exporter(service Service) (exporter, error) {
	system := os.Geteuid() == 0
	switch service.Manager {
	case managerSystemd:
		return systemd{user: !system}, nil
	case managerRunit:
		return runit{own: runitServices(l.root, system)}, nil
	case managerSupervisor:
		return supervisor{root: l.root}, nil
	case managerUpstart:
		return upstart{}, nil
	}
	return nil, &Error{
		Kind:    KindService,
		Message: fmt.Sprintf("a Procfile can't be exported to the service manager %q", service.Manager),
		Hint:    "set SUPERVISOR to systemd, runit, supervisor or upstart",
	}
}

// plan reads what the release says of its processes.
func (l *Local) plan(service Service, id string) (export, error) {
	e := export{manager: service.Manager, app: service.Name, root: l.root}
	e.mark = fmt.Sprintf("Made by deliver for %s in %s: a change is lost at the next delivery.", e.app, e.root)
	if os.Geteuid() == 0 {
		e.user = service.User
	}
	text, err := os.ReadFile(filepath.Join(l.releaseDir(id), service.Procfile))
	if err != nil {
		return e, err
	}
	env, err := os.ReadFile(filepath.Join(l.releaseDir(id), ".env"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return e, err
	}
	e.env = procfile.ParseEnv(string(env))
	types, err := procfile.Parse(string(text))
	if err != nil {
		return e, fmt.Errorf("%s of release %s: %w", service.Procfile, id, err)
	}
	formation, err := procfile.ParseFormation(service.Formation)
	if err == nil {
		e.processes, err = procfile.Processes(types, formation, e.firstPort(service.Port))
	}
	return e, err
}

func (e export) firstPort(set int) int {
	for _, v := range e.env {
		if n, err := strconv.Atoi(v.Value); v.Name == "PORT" && err == nil && set == 0 {
			set = n
		}
	}
	if set == 0 {
		return procfile.DefaultPort
	}
	return set
}

// script is where the script of a process lies.
func (e export) script(p procfile.Process) string {
	return filepath.Join(e.root, ".deliver", "processes", p.Name())
}

// scripts are those of all processes. They may hold secrets, so nobody else reads them.
func (e export) scripts() []unitFile {
	var files []unitFile
	for _, p := range e.processes {
		files = append(files, unitFile{e.script(p), procfile.Script(e.mark, filepath.Join(e.root, "current"), e.env, p), 0o700})
	}
	return files
}

// restartExported exports the current release's Procfile and restarts what it says.
func (l *Local) restartExported(ctx context.Context, service Service) error {
	id, err := l.currentID()
	if err != nil {
		return err
	}
	x, err := l.exporter(service)
	if err == nil {
		err = x.usable()
	}
	if err != nil {
		return err
	}
	e, err := l.plan(service, id)
	if errors.Is(err, fs.ErrNotExist) {
		return l.withoutProcfile(ctx, x, service, id)
	}
	if err != nil {
		return &Error{Kind: KindService, Message: fmt.Sprintf("export the processes: %v", err)}
	}
	_, before, err := l.findExported(ctx, service)
	if err != nil {
		return err
	}
	units, err := l.export(ctx, x, e)
	if err != nil {
		return err
	}
	return l.restartBy(ctx, together{x, e, units}, before, service.Name)
}

// withoutProcfile goes back to a release from before there was a Procfile: its
// service was not exported.
func (l *Local) withoutProcfile(ctx context.Context, x exporter, service Service, id string) error {
	plain, before, known := l.plain(ctx, service)
	if !known {
		return &Error{
			Kind:    KindService,
			Message: fmt.Sprintf("release %s has no %s, and %s knows no service %s", id, service.Procfile, service.Manager, service.Name),
			Hint:    "PROCFILE is the path of the Procfile in the release",
		}
	}
	if err := l.retire(ctx, x, exported{}); err != nil {
		return err
	}
	return l.restartBy(ctx, plain, before, service.Name)
}

// plain is the service of this name that deliver did not make, if there is one.
func (l *Local) plain(ctx context.Context, service Service) (m manager, seen sighting, known bool) {
	last := l.lastExport()
	ours := last.Manager == managerUpstart || last.Manager == managerSupervisor // which have the app's name itself
	m = l.managers()[service.Manager]
	if ours && len(last.Units) > 0 {
		return m, seen, false
	}
	seen, err := m.look(ctx, service.Name)
	return m, seen, err == nil && seen.Known
}

// export has the manager know the processes, and no others of this app.
func (l *Local) export(ctx context.Context, x exporter, e export) ([]string, error) {
	units, files := x.layout(e)
	files = append(files, e.scripts()...)
	next := exported{Manager: e.manager, Units: units}
	for _, f := range files {
		next.Files = append(next.Files, f.path)
	}
	if err := l.retire(ctx, x, next); err != nil {
		return nil, err
	}
	for _, f := range files {
		if err := e.write(f); err != nil {
			return nil, l.wrap("export the processes", err)
		}
	}
	return units, x.arrange(ctx, e, units)
}

// retire ends the units that are exported no more, and removes their files.
// What is to be there is written down before it is: after a crash, the next
// export knows all of it.
func (l *Local) retire(ctx context.Context, x exporter, next exported) error {
	last := l.lastExport()
	for _, unit := range last.Units {
		if !slices.Contains(next.Units, unit) && last.Manager == x.name() {
			if err := x.drop(ctx, unit); err != nil {
				return err
			}
		}
	}
	for _, path := range last.Files {
		if !slices.Contains(next.Files, path) {
			if err := removeOurs(path); err != nil {
				return l.wrap("remove what is exported no more", err)
			}
		}
	}
	text, err := json.Marshal(next)
	if err == nil {
		err = l.save(l.state("exported.json"), text)
	}
	return l.wrap("export the processes", err)
}

func (l *Local) lastExport() exported {
	var last exported
	text, err := os.ReadFile(l.state("exported.json"))
	if err != nil || json.Unmarshal(text, &last) != nil {
		return exported{}
	}
	return last
}

// ours is in every file that an export writes.
const ours = "Made by deliver for "

// write writes a file that has changed, unless it is somebody else's.
func (e export) write(f unitFile) error {
	old, err := os.ReadFile(f.path)
	switch {
	case err == nil && !bytes.Contains(old, []byte(e.mark)):
		return fmt.Errorf("%s was not made by deliver for %s: move it away, or set SERVICE to another name", f.path, e.app)
	case err == nil && string(old) == f.content:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	if err := renameio.WriteFile(f.path, []byte(f.content), f.mode); err != nil {
		return err
	}
	return e.give(f)
}

// give lets the processes' user read and run what root wrote for it.
func (e export) give(f unitFile) error {
	if e.user == "" || f.mode&0o077 != 0 {
		return nil
	}
	uid, gid, err := idsOf(e.user)
	if err != nil {
		return err
	}
	return os.Lchown(f.path, uid, gid)
}

// removeOurs removes a file that still is deliver's, and the directories that
// were made for it.
func removeOurs(path string) error {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && !bytes.Contains(text, []byte(ours))) {
		return nil
	}
	if err == nil {
		err = os.Remove(path)
	}
	return err
}

// together is the units of an export as one service.
type together struct {
	exporter
	export export
	units  []string
}

// look says how the least well of the units is.
func (t together) look(ctx context.Context, _ string) (sighting, error) {
	sum := sighting{units: pids{}, ServiceState: ServiceState{Manager: t.name(), Known: true, Running: true, Detail: "not exported yet"}}
	if len(t.units) == 0 {
		sum.Running = false
	}
	for i, unit := range t.units {
		seen, err := t.exporter.look(ctx, unit)
		if err != nil {
			return seen, err
		}
		if !seen.Known {
			seen.ended = fmt.Sprintf("%s knows no %s", t.name(), unit)
		}
		sum.add(unit, seen, i == 0)
	}
	return sum, nil
}

// restart restarts what was just exported.
func (t together) restart(ctx context.Context, _ string) error {
	return t.restartAll(ctx, t.export, t.units)
}

func (s *sighting) add(unit string, one sighting, first bool) {
	if first {
		s.PID, s.Detail, s.counts = one.PID, one.Detail, one.counts
	}
	s.units[unit] = one.PID
	s.restarts += one.restarts
	if one.Running {
		return
	}
	s.Running, s.starting = false, s.starting || one.starting
	if one.gone() != "" {
		s.cause = one.cause
	}
	s.Detail = unit + ": " + one.Detail
	if one.ended != "" {
		s.ended = unit + ": " + one.ended
	}
	if one.failing != "" {
		s.failing = unit + ": " + one.failing
	}
}

// findExported is the units of the last export as a manager.
func (l *Local) findExported(ctx context.Context, service Service) (manager, sighting, error) {
	x, err := l.exporter(service)
	if err == nil {
		err = x.usable()
	}
	if err == nil {
		_, err = procfile.ParseFormation(service.Formation)
	}
	if err != nil {
		return nil, sighting{ServiceState: ServiceState{Manager: service.Manager}}, err
	}
	if l.lacks(service.Procfile) {
		if m, seen, known := l.plain(ctx, service); known {
			return m, seen, nil
		}
	}
	last := l.lastExport()
	if last.Manager != x.name() {
		last = exported{}
	}
	t := together{exporter: x, units: last.Units}
	seen, err := t.look(ctx, service.Name)
	return t, seen, err
}

// lacks says whether the current release is from before there was a Procfile.
func (l *Local) lacks(procfile string) bool {
	id, err := l.currentID()
	if err != nil || id == "" {
		return false
	}
	_, err = os.Stat(filepath.Join(l.releaseDir(id), procfile))
	return errors.Is(err, fs.ErrNotExist)
}
