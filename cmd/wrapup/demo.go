package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector/admin"
)

//go:embed demo
var demoFiles embed.FS

// demoPatience is how long the demo waits for its one call before it says that something is wrong.
const demoPatience = 30 * time.Second

// longestSocket is the longest path of a unix socket that every system takes.
const longestSocket = 100

const demoCall = "5c6f5869-752d-46fd-8ac0-797f83222279"

func (a *app) demo() *cobra.Command {
	keep := false
	c := &cobra.Command{
		Use:   "demo",
		Short: "See it work: one call, from the dialer's events to the CRM's call log",
		Long: `Demo runs the real daemon on this machine alone, with a store in a temporary folder and a small stand-in for a CRM,
plays the example call of the dialer's documentation into it, and shows what comes in, the record that is made
of it, and the request that the CRM gets. It needs no configuration and leaves nothing behind.`,
		Example: "  wrapup demo\n  wrapup demo --keep",
		Args:    args(0, "no arguments"),
		RunE:    func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), c.OutOrStdout(), a.err, keep) },
	}
	c.Flags().BoolVar(&keep, "keep", false, "stay, to post events of your own")
	return c
}

func runDemo(ctx context.Context, w, logs io.Writer, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "wrapup-demo-")
	if err != nil {
		return err
	}
	if socket := filepath.Join(dir, "admin.sock"); len(socket) > longestSocket {
		return errors.Join(fmt.Errorf("%s is too long a path for a unix socket: set TMPDIR to a shorter folder", socket), os.Remove(dir))
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	crm, err := startDemoCRM(ctx)
	if err != nil {
		return err
	}
	defer crm.stop()
	cfg, err := demoConfig(dir, crm.url)
	if err != nil {
		return err
	}

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	d := &daemon{config: cfg, log: slog.New(slog.DiscardHandler), listening: func(addr net.Addr) { ready <- addr }}
	if keep {
		d.log = newLogger(logs, configs.Log{Level: "warn", Format: "text"})
	}
	go func() { ended <- d.run(ctx) }()
	defer func() {
		stop()
		if ended != nil {
			err = errors.Join(err, <-ended)
		}
	}()
	select {
	case err = <-ended:
		ended = nil
		return err
	case addr := <-ready:
		url := "http://" + addr.String() + cfg.Sources[0].Path
		if err := playDemo(ctx, w, url, cfg.Admin.Socket, crm); err != nil {
			return err
		}
		if !keep {
			fmt.Fprintf(w, "\nNext: describe your own dialer and CRM in a configuration (README), and run wrapup check.\n")
			return nil
		}
		return keepDemo(ctx, w, url, crm)
	}
}

// playDemo posts the documented events and shows what becomes of them.
func playDemo(ctx context.Context, w io.Writer, url, socket string, crm *demoCRM) error {
	events, err := demoFiles.ReadFile("demo/events.ndjson")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "One call, from the dialer to the CRM.\n\n1. The dialer posts what happens, as it happens (and in no reliable order):\n\n")
	began := time.Now()
	for line := range strings.Lines(string(events)) {
		status, err := post(ctx, url, line)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "   %s → %d\n", strings.TrimSpace(demoEvent(line)), status)
	}
	request, err := crm.next(ctx)
	if err != nil {
		return err
	}
	took := time.Since(began)
	story, err := demoStory(ctx, socket)
	if err != nil {
		return err
	}
	var record strings.Builder
	printRecord(&record, story.Calls[0].Record())
	fmt.Fprintf(w, "\n2. wrapup puts the call together:\n\n%s", strings.ReplaceAll(record.String(), "    ", "   "))
	mapping, err := demoFiles.ReadFile("demo/crm.yaml")
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n3. The CRM gets one request, as a mapping of %d lines of YAML says:\n\n%s\n",
		bytes.Count(mapping, []byte("\n")), indent(request, "   "))
	fmt.Fprintf(w, "\n%s (%d ms after the first event)\n", answer(story), took.Milliseconds())
	return nil
}

// demoEvent shortens an event for the eye.
func demoEvent(line string) string {
	var e struct {
		Type, State                int
		Time, UUID, Username, Info string
	}
	if err := json.Unmarshal([]byte(line), &e); err != nil {
		return line
	}
	meanings := map[[2]int]string{
		{2, 1}: "the customer's phone is dialled", {2, 3}: "the customer answers", {2, 4}: "the call ends",
		{1, 2}: "an agent is ready", {1, 3}: "the agent is put through", {1, 4}: "the agent hangs up",
	}
	who := "agent " + e.Username
	if e.Username == "" {
		who = "call " + e.UUID[:8] + "…"
	}
	return fmt.Sprintf(`{"type":%d,"state":%d,"time":"%s",…}  %-31s  %s`, e.Type, e.State, e.Time, meanings[[2]int{e.Type, e.State}], who)
}

func post(ctx context.Context, url, body string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return resp.StatusCode, resp.Body.Close()
}

// demoStory asks the daemon for the call until its delivery is settled: the CRM has its request a moment before that.
func demoStory(ctx context.Context, socket string) (*admin.Story, error) {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	client := admin.NewClient(socket)
	defer client.Close()
	for {
		story, err := client.Story(ctx, demoCall)
		if err != nil {
			return nil, err
		}
		if len(story.Calls) > 0 && story.Calls[0].Deliveries[0].Done > 0 {
			return story, nil
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return nil, errors.New("the call was not delivered in time")
		}
	}
}

// keepDemo stays until it is interrupted, and shows what the CRM gets.
func keepDemo(ctx context.Context, w io.Writer, url string, crm *demoCRM) error {
	fmt.Fprintf(w, `
The daemon stays until you press Ctrl-C. Post events of your own (a call is finished 10 seconds after its end):

  curl %[1]s -d '{"type":2,"state":1,"callid":"104906","uuid":"my-call","callphone":"812345613","time":"%[2]d"}'
  curl %[1]s -d '{"type":2,"state":4,"callid":"104906","uuid":"my-call","callphone":"812345613","time":"%[3]d"}'

`, url, time.Now().Unix(), time.Now().Unix()+20)
	for {
		select {
		case <-ctx.Done():
			return nil
		case request := <-crm.requests:
			fmt.Fprintf(w, "The CRM gets:\n\n%s\n\n", indent(request, "   "))
		}
	}
}

// demoConfig writes a real configuration and loads it, as serve does.
func demoConfig(dir, crmURL string) (*configs.Config, error) {
	mapping, err := demoFiles.ReadFile("demo/crm.yaml")
	if err != nil {
		return nil, err
	}
	mappings := filepath.Join(dir, "mappings")
	config := filepath.Join(dir, "wrapup.yaml")
	content := fmt.Sprintf(`listen: 127.0.0.1:0
data_dir: %[1]s/data
admin: {socket: %[1]s/admin.sock}
mappings_dir: %[1]s/mappings
sources: [{kind: nxcloud-events}]
queues: {default: {region: ID}}
destinations: [{name: demo-crm, mapping: crm, url: "%[2]s"}]
`, dir, crmURL)
	if err := errors.Join(os.Mkdir(mappings, 0o700), os.WriteFile(filepath.Join(mappings, "crm.yaml"), mapping, 0o600),
		os.WriteFile(config, []byte(content), 0o600)); err != nil {
		return nil, err
	}
	cfg, problems := configs.Load(configs.Input{Path: config})
	if cfg == nil {
		return nil, problems
	}
	return cfg, nil
}

// demoCRM stands in for a CRM: it takes every call and remembers the request.
type demoCRM struct {
	url      string
	requests chan string
	server   *http.Server
	done     sync.WaitGroup
}

func startDemoCRM(ctx context.Context) (*demoCRM, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c := &demoCRM{url: "http://" + l.Addr().String(), requests: make(chan string, 1024)}
	c.server = &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	c.done.Go(func() { _ = c.server.Serve(l) }) // it ends with ErrServerClosed
	return c, nil
}

// ServeHTTP takes one entry of the call log.
func (c *demoCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		return
	}
	var pretty bytes.Buffer
	if json.Indent(&pretty, body, "", "  ") != nil {
		pretty.Reset()
		pretty.Write(body)
	}
	select {
	case c.requests <- fmt.Sprintf("%s %s\nContent-Type: %s\nIdempotency-Key: %s\n\n%s",
		r.Method, r.URL.Path, r.Header.Get("Content-Type"), r.Header.Get("Idempotency-Key"), pretty.String()):
	default: // nobody looks
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"id":1001}`) // the client is gone
}

func (c *demoCRM) next(ctx context.Context) (string, error) {
	select {
	case r := <-c.requests:
		return r, nil
	case <-ctx.Done():
		return "", ctx.Err()
	case <-time.After(demoPatience):
		return "", errors.New("the CRM got no request in time")
	}
}

func (c *demoCRM) stop() {
	_ = c.server.Close() // it is only a stand-in
	c.done.Wait()
}

func indent(s, by string) string { return by + strings.ReplaceAll(s, "\n", "\n"+by) }
