package jenkins

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"sort"

	"autobuilder/build"
)

// Jobs are the names of the jobs that the user may see, in order.
func (c *Client) Jobs(ctx context.Context) ([]string, error) {
	var root struct {
		Jobs []struct {
			Name string `json:"name"`
		} `json:"jobs"`
	}
	if _, err := c.getJSON(ctx, "/", "jobs[name]", &root); err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	names := make([]string, 0, len(root.Jobs))
	for _, job := range root.Jobs {
		names = append(names, job.Name)
	}
	sort.Strings(names)
	return names, nil
}

// JobConfig is the config.xml that Jenkins has of the job.
func (c *Client) JobConfig(ctx context.Context, name string) ([]byte, error) {
	path, err := jobPath(name)
	if err != nil {
		return nil, err
	}
	text, _, err := c.getText(ctx, path+"/config.xml", nil)
	if err != nil {
		return nil, fmt.Errorf("read config of job %s: %w", name, orNoJob(err))
	}
	return []byte(text), nil
}

// CreateJob makes a job of a config.xml. One that is there already is refused.
func (c *Client) CreateJob(ctx context.Context, name string, config []byte) error {
	if err := CheckName(name); err != nil {
		return fmt.Errorf("create job: %w", err)
	}
	config, err := sendable(config)
	if err != nil {
		return fmt.Errorf("create job %s: %w", name, err)
	}
	err = c.postXML(ctx, "/createItem", config, map[string]string{"name": name})
	if err != nil {
		return fmt.Errorf("create job %s: %w", name, err)
	}
	return nil
}

// UpdateJob replaces the config.xml of a job.
func (c *Client) UpdateJob(ctx context.Context, name string, config []byte) error {
	path, err := jobPath(name)
	if err != nil {
		return fmt.Errorf("update job: %w", err)
	}
	config, err = sendable(config)
	if err != nil {
		return fmt.Errorf("update job %s: %w", name, err)
	}
	if err := c.postXML(ctx, path+"/config.xml", config, nil); err != nil {
		return fmt.Errorf("update job %s: %w", name, orNoJob(err))
	}
	return nil
}

// DeleteJob removes a job with all its builds.
func (c *Client) DeleteJob(ctx context.Context, name string) error {
	path, err := jobPath(name)
	if err != nil {
		return fmt.Errorf("delete job: %w", err)
	}
	if err := c.post(ctx, path+"/doDelete", nil); err != nil {
		return fmt.Errorf("delete job %s: %w", name, orNoJob(err))
	}
	return nil
}

// sendable is a config.xml that every Jenkins can read. One that is no XML must
// not be sent: some keep the broken file, and do not come up again with it.
func sendable(config []byte) ([]byte, error) {
	config = versionOne(config)
	decoder := xml.NewDecoder(bytes.NewReader(config))
	roots, depth := 0, 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("config.xml is no xml, nothing was sent: %w", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			if depth == 0 {
				roots++
			}
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 0 && len(bytes.TrimSpace(token)) > 0 {
				roots += 2 // text is as wrong as a second root
			}
		}
	}
	if roots != 1 {
		return nil, errors.New("config.xml must be one element and nothing beside it, nothing was sent")
	}
	return config, nil
}

// versionOne turns an XML declaration of version 1.1, as Jenkins writes it,
// into 1.0, which all others can read too.
func versionOne(config []byte) []byte {
	declaration, rest, found := bytes.Cut(config, []byte("?>"))
	if !found || !bytes.HasPrefix(bytes.TrimSpace(declaration), []byte("<?xml")) {
		return config
	}
	for _, quote := range []string{`'`, `"`} {
		declaration = bytes.Replace(declaration, []byte(quote+"1.1"+quote), []byte(quote+"1.0"+quote), 1)
	}
	return bytes.Join([][]byte{declaration, rest}, []byte("?>"))
}

func orNoJob(err error) error {
	if isNotFound(err) {
		return fmt.Errorf("%w, or the user may not see it", build.ErrNoJob)
	}
	return err
}
