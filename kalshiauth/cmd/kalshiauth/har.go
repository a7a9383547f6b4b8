package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

func contractHARCommand() *cli.Command {
	flags := []cli.Flag{&cli.StringFlag{
		Name: "base-url", Usage: "base `URL` of the server in the recorded traffic; or the variable " + baseURLVariable,
	}}
	return &cli.Command{
		Name:      "har",
		Usage:     "check recorded traffic",
		ArgsUsage: "FILE...",
		Description: contractExitCodes + "\n\n" +
			"Browsers, Playwright and mitmproxy write HAR files; - is standard input. It sends nothing. It prints each\n" +
			"violation as a line on standard output, or on standard error if a report goes to standard output. Traffic to\n" +
			"other servers is not checked. If there is no other traffic, that is an error.",
		Flags:                     append(append(flags, documentFlag()), reportFlags()...),
		DisableSliceFlagSeparator: true,
		ArgValidator:              harArguments,
		Action:                    contractHAR,
	}
}

func harArguments(_ context.Context, cmd *cli.Command) error {
	files := cmd.Args().Slice()
	if len(files) == 0 {
		return usageError{errors.New("FILE is missing: give HAR files, or - for standard input")}
	}
	if slices.Contains(files, "") {
		return usageError{errors.New("FILE is empty: give the name of a HAR file, or - for standard input")}
	}
	for i, file := range files {
		if slices.Contains(files[:i], file) {
			return usageError{fmt.Errorf("%s is given twice: give each file once", file)}
		}
	}
	return nil
}

func contractHAR(ctx context.Context, cmd *cli.Command) error {
	c, err := newChecking(cmd)
	if err != nil {
		return usageError{err}
	}
	baseURL, given := flagOrVariable(cmd, "base-url", baseURLVariable)
	if !given || baseURL == "" {
		return usageError{errors.New("the base URL is missing or empty: give -base-url URL or set " + baseURLVariable)}
	}
	client, err := newClientAt("base-url", baseURL, true) // nothing is sent
	if err == nil {
		err = c.against(client.BaseURL()) //nolint:contextcheck // kin-openapi takes a context and does not use it
	}
	if err != nil {
		return usageError{err}
	}
	return c.finish(c.checkFiles(ctx, client.BaseURL(), cmd.Args().Slice()))
}

// checkFiles checks the exchanges of all files.
func (c *checking) checkFiles(ctx context.Context, baseURL string, files []string) error {
	exchanges, hosts := 0, map[string]bool{}
	for _, file := range files {
		data, err := await(ctx, func() ([]byte, error) { return c.readFile(file) })
		if err != nil {
			return err
		}
		n, err := c.HAR(ctx, bytes.NewReader(data))
		if err != nil {
			return fmt.Errorf("%s: %w", file, inWords(err))
		}
		if exchanges += n; exchanges == 0 {
			addHosts(hosts, data)
		}
	}
	switch {
	case exchanges > 0:
		return nil
	case len(hosts) == 0:
		return errors.New("nothing was checked: the files have no requests")
	}
	return fmt.Errorf("nothing was checked: no request is below %s; the requests go to %s: check -base-url",
		baseURL, list(slices.Sorted(maps.Keys(hosts))))
}

func (c *checking) readFile(file string) (data []byte, err error) {
	if file == "-" {
		data, err = io.ReadAll(c.cmd.Root().Reader)
	} else {
		data, err = os.ReadFile(file) //nolint:gosec // the user's own file
	}
	if err != nil {
		return nil, fmt.Errorf("reading a HAR file: %w", err)
	}
	return data, nil
}

// addHosts adds the servers of the requests in a HAR file to hosts. Paths may have secrets.
func addHosts(hosts map[string]bool, data []byte) {
	var file struct {
		Log struct {
			Entries []struct{ Request struct{ URL string } }
		}
	}
	if json.Unmarshal(bytes.TrimPrefix(data, []byte("\ufeff")), &file) != nil {
		return
	}
	for _, entry := range file.Log.Entries {
		if u, err := url.Parse(entry.Request.URL); err == nil && u.Host != "" {
			hosts[u.Scheme+"://"+u.Host] = true
		}
	}
}

// list joins texts, and leaves out all but the first of them if there are many.
func list(texts []string) string {
	const most = 5
	if len(texts) > most {
		return fmt.Sprintf("%s and %d others", strings.Join(texts[:most], ", "), len(texts)-most)
	}
	return strings.Join(texts, ", ")
}
