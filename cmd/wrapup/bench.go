package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/connector/bench"
	"wrapup/outbox/bolt"
)

// benching is what the command bench is asked for.
type benching struct {
	bench.Options
	dir    string
	full   bool
	format output
}

func (a *app) bench() *cobra.Command {
	b := benching{format: "text", Options: bench.Options{Rounds: 3, Long: time.Second, Backlog: 20_000, Open: 20_000}}
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure what wrapup can take on this machine",
		Long: `Bench runs the real daemon on this machine alone, with a store in a temporary folder, and measures it beside the limits
of the machine: what the disk needs for two syncs, what a bare HTTP handler takes that stores nothing, and what a bare
client sends. The loads are made in turn, in rounds; each figure is the median of its rounds, and the spread says how
quiet the machine was. It takes about a minute, needs no configuration and leaves nothing behind.

The disk that is measured is that of --dir: give a folder on the one that data_dir is on.`,
		Example: `  wrapup bench --dir /var/lib
  wrapup bench -o json > bench.json
  wrapup bench --only disk,accept
  wrapup bench --full          # a million waiting deliveries, and a hundred thousand open calls`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if b.Rounds < 1 || b.Long <= 0 || b.Backlog < 50 || b.Open < 1 {
				return usageError{errors.New("--rounds, --long, --backlog and --open are more than 0, and --backlog at least 50")}
			}
			for _, part := range b.Only {
				if !slices.Contains(bench.Parts(), part) {
					return usageError{fmt.Errorf("--only: there is no part %q: the parts are %s", part, strings.Join(bench.Parts(), ", "))}
				}
			}
			if b.full {
				b.Backlog, b.Open = 1_000_000, 100_000
			}
			return a.runBench(c.Context(), &b)
		},
	}
	f := c.Flags()
	f.StringVar(&b.dir, "dir", os.TempDir(), "measure the disk that this `folder` is on")
	f.IntVar(&b.Rounds, "rounds", b.Rounds, "how many rounds")
	f.DurationVar(&b.Long, "long", b.Long, "how long each load of a round is")
	f.IntVar(&b.Backlog, "backlog", b.Backlog, "how many deliveries wait")
	f.IntVar(&b.Open, "open", b.Open, "how many calls are open")
	f.StringSliceVar(&b.Only, "only", nil, "measure these `parts` alone: "+strings.Join(bench.Parts(), ", "))
	_ = c.RegisterFlagCompletionFunc("only", cobra.FixedCompletions(bench.Parts(), cobra.ShellCompDirectiveNoFileComp))
	f.BoolVar(&b.full, "full", false, "with a million waiting and a hundred thousand open; it takes some minutes, and some GB")
	f.VarP(&b.format, "output", "o", "text or json")
	c.AddCommand(bareHandler(), a.bareClient())
	return c
}

// bareHandler is what bench compares the daemon with, as a process of its own.
func bareHandler() *cobra.Command {
	return &cobra.Command{
		Use: "bare ADDRESS", Hidden: true, Args: args(1, "an address"),
		RunE: func(c *cobra.Command, args []string) error {
			l, err := (&net.ListenConfig{}).Listen(c.Context(), "tcp", args[0])
			if err != nil {
				return err
			}
			server := &http.Server{Handler: bench.Bare(), ReadHeaderTimeout: headerTime}
			stop := context.AfterFunc(c.Context(), func() { _ = server.Close() })
			defer stop()
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		},
	}
}

// bareClient is likewise what it compares the delivery with.
func (a *app) bareClient() *cobra.Command {
	return &cobra.Command{
		Use: "send URL DURATION", Hidden: true, Args: args(2, "an address and a duration"),
		RunE: func(c *cobra.Command, args []string) error {
			long, err := time.ParseDuration(args[1])
			if err != nil {
				return usageError{err}
			}
			body, err := io.ReadAll(c.InOrStdin())
			if err != nil {
				return err
			}
			load, err := bench.Send(c.Context(), args[0], long, body)
			if err != nil {
				return err
			}
			return json.NewEncoder(a.out).Encode(load)
		},
	}
}

func (a *app) runBench(ctx context.Context, b *benching) (err error) {
	if b.Dir, err = os.MkdirTemp(b.dir, "wrapup-bench-"); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.Dir)) }()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	b.Serve = func(ctx context.Context, config string) *exec.Cmd {
		return exec.CommandContext(ctx, self, "serve", "--config", config) //nolint:gosec // it is wrapup
	}
	b.BareServe = func(ctx context.Context, addr string) *exec.Cmd {
		return exec.CommandContext(ctx, self, "bench", "bare", addr) //nolint:gosec // likewise
	}
	b.BareSend = func(ctx context.Context, url string, long time.Duration) *exec.Cmd {
		return exec.CommandContext(ctx, self, "bench", "send", url, long.String()) //nolint:gosec // likewise
	}
	b.Fill = fillStore
	b.Size = func(dataDir string) (int64, error) { return bolt.HistorySize(filepath.Join(dataDir, storeFile)) }
	if isTerminal(a.err) {
		b.Progress = func(what string, share float64) { fmt.Fprintf(a.err, "\r\x1b[K%3.0f%%  %s", share*100, what) }
		defer fmt.Fprint(a.err, "\r\x1b[K")
	}
	report, err := bench.Run(ctx, b.Options)
	if err != nil {
		return err
	}
	if b.format == "json" {
		return json.NewEncoder(a.out).Encode(report)
	}
	return printBench(a.out, report)
}

func fillStore(ctx context.Context, dataDir, destination string, calls int) (err error) {
	if err := os.MkdirAll(dataDir, 0o750); err != nil {
		return err
	}
	store, err := bolt.Open(filepath.Join(dataDir, storeFile), bolt.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return bench.Fill(ctx, store, destination, calls, time.Now().Add(-time.Minute))
}

// noisy is the spread from which on a figure says more about what else the machine did.
const noisy = 0.25

func printBench(w io.Writer, r *bench.Report) error {
	fmt.Fprintf(w, "%d cores, the disk of %s; medians of %d rounds\n\n", r.Cores, filepath.Dir(r.Dir), r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\tmedian\t\tspread\tcompared with")
	loud := 0
	for i := range r.Measures {
		m := &r.Measures[i]
		spread := fmt.Sprintf("%.0f%%", m.Spread()*100)
		if m.Spread() > noisy {
			loud++
			spread += " !"
		}
		of := ""
		if m.Of != "" {
			of = fmt.Sprintf("%.2f of %s", m.Ratio(), m.Of)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", m.Name, figure(m.Median()), m.Unit, spread, of)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if loud > 0 {
		fmt.Fprintf(w, "\n! The rounds of %d figures lie more than %.0f%% apart: the machine did other things too.\n", loud, noisy*100)
	}
	return nil
}

// figure prints three digits, or more before the point.
func figure(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.2f", v)
	}
}
