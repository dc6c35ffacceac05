package faults_test

import (
	"testing"
	"time"

	"deliver/host/hosttest"
	"deliver/machinetest"
)

// at are rows of one fault, each at another point.
func (f fault) at(rows ...row) []row {
	for i, r := range rows {
		f := f
		f.point = r.codes
		rows[i].codes = ""
		rows[i].test = f.happen
	}
	return rows
}

func nothing(*testing.T, *site, *machinetest.Machine) {}

const (
	setAside  = "nothing is switched anywhere"
	leftAlone = "the others are put back; what it runs is not known"
	allBack   = "it is reached anew, and all are put back"
)

func notThere() []row {
	down := fault{
		strike: func(t *testing.T, _ *site, m *machinetest.Machine) { m.SSHD(t, "stop") },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.SSHD(t, "start") },
	}
	allowed := down
	allowed.args = []string{"--max-unreachable", "1"}
	stranger := fault{
		strike: func(t *testing.T, s *site, _ *machinetest.Machine) { s.swapKeys(t, "h2", "h1") },
		mend:   func(t *testing.T, s *site, _ *machinetest.Machine) { s.Trust(t) },
	}
	return append(append(
		down.at(row{"sshd is down", setAside, 1, "[h2] set aside: connect: h2: connect (10.77.0.3:22): connection refused", nil, before}),
		allowed.at(row{"sshd is down, MAX_UNREACHABLE=1", "the others are delivered to", 3, "DASHBOARD DELIVERED, BUT FOR 1 HOST!", nil, before})...),
		stranger.at(row{"another host key than in known_hosts", setAside, 1, "[h2] set aside: connect: h2: the host key changed", nil, before})...)
}

func poweredOff() []row {
	return fault{
		strike: func(_ *testing.T, _ *site, m *machinetest.Machine) { m.Off() },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.Boot(t) },
	}.at(
		row{"off before the run", setAside, 1, "[h2] set aside: connect: h2: connect (10.77.0.3:22): no answer within 3s", nil, before},
		row{"off in preflight", setAside, 1, "[h2] set aside: ", nil, looking},
		row{"off while it receives", setAside, 1, "[h2] set aside: receive: ", nil, receiving},
		row{"off before its switch", "all others are put back", 5, "[h2] rolled back: switch: ", nil, preSwitch},
		row{"off between switch and restart", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, postSwitch},
		row{"off between restart and health", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, restarted},
		row{"off during health", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, asked},
	)
}

func rebooted() []row {
	// A machine may take longer to boot than the others' deadline is.
	return fault{args: []string{"--ssh-timeout", "30s", "--step-timeout", "40s"}, strike: func(t *testing.T, _ *site, m *machinetest.Machine) {
		m.Off()
		m.Boot(t)
	}}.at(
		row{"rebooted while it receives", setAside, 1, "[h2] set aside: receive: ", nil, receiving},
		row{"rebooted before its switch", allBack, 5, "[h2] rolled back: switch: ", nil, preSwitch},
		row{"rebooted between switch and restart", allBack, 5, "[h2] rolled back: switch: ", nil, postSwitch},
		row{"rebooted between restart and health", allBack, 5, "[h2] rolled back: restart: ", nil, restarted},
		row{"rebooted during health", allBack, 5, "[h2] rolled back: health: ", nil, asked},
	)
}

func frozen() []row {
	return fault{
		strike: func(_ *testing.T, _ *site, m *machinetest.Machine) { m.Freeze() },
		mend:   func(_ *testing.T, _ *site, m *machinetest.Machine) { m.Thaw() },
	}.at(
		row{"sshd and sessions stopped (SIGSTOP) before the run", setAside, 1, "[h2] set aside: connect: h2: shake hands (10.77.0.3:22): no answer within 3s", nil, before},
		row{"stopped while it receives", setAside, 1, "[h2] set aside: receive: ", nil, receiving},
		row{"stopped before its switch", "all others are put back", 5, "[h2] rolled back: switch: ", nil, preSwitch},
		row{"stopped between switch and restart", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: shake hands (10.77.0.3:22): no answer within 3s", nil, postSwitch},
		row{"stopped during health", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: shake hands (10.77.0.3:22): no answer within 3s", nil, asked},
	)
}

func cutOff() []row {
	return fault{
		strike: func(t *testing.T, _ *site, m *machinetest.Machine) { m.Cut(t) },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.Mend(t) },
	}.at(
		row{"network cut in preflight, packets dropped", setAside, 1, "[h2] set aside: ", nil, looking},
		row{"cut while it receives", setAside, 1, "[h2] set aside: receive: ", nil, receiving},
		row{"cut before its switch", "all others are put back", 5, "[h2] rolled back: switch: ", nil, preSwitch},
		row{"cut between switch and restart", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, postSwitch},
		row{"cut between restart and health", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, restarted},
		row{"cut during health", leftAlone, 1, "[h2] ROLLBACK FAILED: switch: h2: connect (10.77.0.3:22): no answer within 3s", nil, asked},
	)
}

func cutBriefly() []row {
	const goesOn = "it goes on where it was"
	return fault{strike: func(t *testing.T, _ *site, m *machinetest.Machine) {
		m.Cut(t)
		<-time.After(time.Second)
		m.Mend(t)
	}}.at(
		row{"cut for a second in preflight", goesOn, 0, delivered, nil, looking},
		row{"cut for a second while it receives", goesOn, 0, delivered, nil, receiving},
		row{"cut for a second before its switch", goesOn, 0, delivered, nil, preSwitch},
		row{"cut for a second between switch and restart", goesOn, 0, delivered, nil, postSwitch},
		row{"cut for a second between restart and health", goesOn, 0, delivered, nil, restarted},
		row{"cut for a second during health", goesOn, 0, delivered, nil, asked},
	)
}

const delivered = "DASHBOARD DELIVERED!"

func diskFull() []row {
	return fault{
		strike: func(t *testing.T, _ *site, m *machinetest.Machine) { m.Fill(t) },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.Empty(t) },
	}.at(
		row{"disk full before the run", setAside, 1, "0 MB free; the release needs 2 MB", nil, before},
		row{"disk full while it receives", setAside, 1, "no space left on device", nil, receiving},
		row{"disk full before its switch", "a switch needs no room", 0, delivered, nil, preSwitch},
	)
}

func inodesGone() []row {
	return fault{
		strike: func(t *testing.T, _ *site, m *machinetest.Machine) { m.FillInodes(t) },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.Empty(t) },
	}.at(
		row{"no inodes before the run", setAside, 1, "has 0 inodes free; the release needs ", nil, before},
		row{"no inodes while it receives", setAside, 1, "no space left on device", nil, receiving},
		row{"no inodes before its switch", "all are put back", 5, "[h2] rolled back: switch: switch to v2: symlink ", nil, preSwitch},
	)
}

func readOnly() []row {
	return fault{
		strike: func(t *testing.T, _ *site, m *machinetest.Machine) { m.Remount(t, "ro") },
		mend:   func(t *testing.T, _ *site, m *machinetest.Machine) { m.Remount(t, "rw") },
	}.at(
		row{"disk read-only before the run", setAside, 1, "the kernel makes a disk read-only when it fails", nil, before},
		row{"disk read-only before its switch", "all are put back", 5, "[h2] rolled back: switch: switch to v2: ", nil, drained},
	)
}

func badRelease() []row {
	return fault{
		strike: nothing,
		again:  "v3",
		build:  []hosttest.Item{hosttest.Script("server", "echo cannot open the database >&2; exit 7")},
	}.at(row{"the service won't start", "all are put back", 5, "rolled back: health: service dashboard ", nil, before})
}
