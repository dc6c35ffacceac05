package jenkins

import (
	"context"
	"fmt"

	"autobuilder/build"
)

// Version says which Jenkins answers.
func (c *Client) Version(ctx context.Context) (string, error) {
	var root struct {
		Mode string `json:"mode"`
	}
	header, err := c.getJSON(ctx, "/", "mode,nodeDescription", &root)
	if err != nil {
		return "", fmt.Errorf("ask jenkins for its version: %w", err)
	}
	if version := header.Get("X-Jenkins"); version != "" {
		return version, nil
	}
	if root.Mode == "" {
		return "", fmt.Errorf("ask jenkins for its version: %s answers, but not like a jenkins: is jenkins.url right?", c.options.URL)
	}
	return "Hudson", nil
}

// Ping says what is wrong, if anything: nobody listens, Jenkins is starting,
// it does not accept user and token, it is no Jenkins.
func (c *Client) Ping(ctx context.Context) error {
	if _, err := c.Version(ctx); err != nil {
		return err
	}
	if c.options.User == "" {
		return nil
	}
	return c.checkUser(ctx)
}

// Where everybody may read, an old server takes a wrong token for nobody's and
// answers all the same; only the page about oneself tells.
func (c *Client) checkUser(ctx context.Context) error {
	var me struct {
		ID string `json:"id"`
	}
	_, err := c.getJSON(ctx, "/me", "", &me)
	switch {
	case isNotFound(err), err == nil && (me.ID == "" || me.ID == "anonymous"):
		return fmt.Errorf("log in: %w: %s does not accept user %s with this token", build.ErrRefused, c.options.URL, c.options.User)
	case err != nil:
		return fmt.Errorf("log in: %w", err)
	}
	return nil
}
