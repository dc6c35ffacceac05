package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"autobuilder/build"
)

func lockCommand() *cli.Command {
	return &cli.Command{
		Name: "lock", Usage: "keep a project's builds waiting", ArgsUsage: "PROJECT",
		Description: `Builds wait until it is unlocked, but for those of who locked it and for the way back that a watch takes. It holds in every
room and on the page too. Who has locked a project may change the reason and the end by locking it again.`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "reason", Usage: "`WORDS` for those who wait"},
			&cli.StringFlag{Name: "for", Usage: "`TIME` after which it ends by itself, as 90m, 2h or 3d"},
			jsonFlag(),
		},
		Action: with(lock),
	}
}

func unlockCommand() *cli.Command {
	return &cli.Command{
		Name: "unlock", Usage: "let the builds of a locked project go", ArgsUsage: "PROJECT",
		Flags:  []cli.Flag{noteFlag(), jsonFlag()},
		Action: with(unlock),
	}
}

func lock(c *cli.Context, a access) error {
	name, err := oneArgument(c, "autobuilder status lists them")
	if err != nil {
		return err
	}
	l, err := a.Lock(c.Context, name, build.LockWish{Reason: c.String("reason"), For: c.String("for")})
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, l)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is %s; its builds wait, but for those of %s\n", l.Project, plain(l.Words()), plain(l.By))
	return err
}

func unlock(c *cli.Context, a access) error {
	name, err := oneArgument(c, "autobuilder status lists them")
	if err != nil {
		return err
	}
	if err := a.Unlock(c.Context, name, c.String("note")); err != nil {
		return err
	}
	if c.Bool("json") {
		return printJSON(c.App.Writer, map[string]string{"unlocked": name})
	}
	_, err = fmt.Fprintf(c.App.Writer, "%s is unlocked: what waits goes\n", name)
	return err
}
