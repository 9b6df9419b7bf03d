package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/connector"
	"wrapup/connector/admin"
	"wrapup/outbox/bolt"
)

// callback is the address to give to the dialer.
type callback struct {
	Source string `json:"source"`
	URL    string `json:"url"`
	// Shows is what a post must show beside it.
	Shows string `json:"shows,omitempty"`
}

func (a *app) status() *cobra.Command {
	format, secrets := output("text"), false
	c := &cobra.Command{
		Use:   "status",
		Short: "How all of it is doing, on one screen",
		Long: `Status shows on one screen how all of it is doing: what needs a person, the last post of each source and who was refused,
the calls that are open, waiting, held, dead or parked, the pauses, the disk, the last reload, and the addresses to give to the
dialer. Behind a proxy these have the proxy's name.

It exits with 0 if nothing needs a person, and with 1 if something does: a destination that is paused or waits for a person,
a call that waits for more than an hour, dead or parked calls, posts in quarantine, posts that got lost or are refused again and
again, a source that is silent at the hours of its "expect", a kind of event that stays away, a dialer whose clock is wrong, a reload
that was refused, little room, the report on a damaged store beside it, no daemon.`,
		Example: "  wrapup status\n  wrapup status --show-secrets\n  wrapup status -o json | jq .attention",
		Args:    args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			o := a.outline()
			cfg := o.Config
			if secrets {
				var err error
				if cfg, err = a.load(); err != nil {
					return err
				}
			}
			var s *admin.Status
			if err := a.ask(c.Context(), func(ctx context.Context, from asked) (err error) {
				s, err = from.Status(ctx)
				return err
			}); err != nil {
				return err
			}
			s.Attention = append(s.Attention, salvageReports(cfg.DataDir)...)
			host, err := os.Hostname()
			if err != nil {
				host = "HOST"
			}
			var calls []callback // of a file that is wrong, who knows whether they are right
			if o.Problems.Err() == nil {
				calls = callbacks(cfg, cmp.Or(s.Listen, cfg.Listen), host, secrets)
			}
			if format == "json" {
				err = printJSON(c.OutOrStdout(), struct {
					*admin.Status
					Callbacks []callback `json:"callbacks"`
				}{s, calls})
			} else {
				p := paint(isTerminal(c.OutOrStdout()) && a.env("NO_COLOR", "") == "")
				err = printStatus(c.OutOrStdout(), p, s, calls, time.Now())
			}
			if err == nil && len(s.Attention) > 0 {
				return errReported
			}
			return err
		},
	}
	c.Flags().VarP(&format, "output", "o", "text or json")
	c.Flags().BoolVar(&secrets, "show-secrets", false, "show the tokens in the dialer's addresses")
	return c
}

// salvageReports says which reports on damaged stores lie in the data folder.
func salvageReports(dataDir string) (lines []string) {
	reports, err := bolt.SalvageReports(filepath.Join(dataDir, storeFile))
	if err != nil {
		return nil // others may ask the daemon than those who may read its data
	}
	for _, path := range reports {
		lines = append(lines, fmt.Sprintf("the store was damaged and was salvaged: read %s, and move it away when that is settled", path))
	}
	return lines
}

// callbacks gives the addresses for the dialer. Secrets are in it only if they are wanted.
func callbacks(c *configs.Config, listen, hostname string, secrets bool) (list []callback) {
	scheme := "http"
	if c.TLS.Cert != "" {
		scheme = "https"
	}
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return nil
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = hostname
	}
	for _, s := range c.Sources {
		one := callback{Source: cmp.Or(s.Name, s.Kind), URL: scheme + "://" + net.JoinHostPort(host, port) + s.Path}
		if s.Auth != nil && !s.Auth.Token.IsZero() {
			token := "***"
			if secrets {
				token = s.Auth.Token.Value()
			}
			switch s.Auth.In {
			case "query":
				one.URL += "?token=" + token
			case "header":
				one.Shows = "the header token: " + token
			default:
				one.URL = strings.TrimSuffix(one.URL, "/") + "/" + token
			}
		}
		if s.Auth != nil && s.Auth.Basic != nil {
			one.Shows = strings.TrimPrefix(one.Shows+", user and password (basic)", ", ")
		}
		list = append(list, one)
	}
	return list
}

// paint colours text on a terminal.
type paint bool

func (p paint) in(code, text string) string {
	if !p {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p paint) bad(text string) string   { return p.in("31", text) }
func (p paint) good(text string) string  { return p.in("32", text) }
func (p paint) title(text string) string { return p.in("1", text) }

// shownRefused is how many of those who were refused are shown.
const shownRefused = 5

func printStatus(w io.Writer, p paint, s *admin.Status, calls []callback, now time.Time) error {
	var b strings.Builder
	switch {
	case !s.Running:
		b.WriteString(p.bad("wrapup is not running.") + "\n")
	case len(s.Unready) > 0:
		fmt.Fprintf(&b, "%s, version %s, up for %s\n", p.bad("wrapup is not ready"), printable(s.Version), ago(now, s.Started))
	default:
		fmt.Fprintf(&b, "%s, version %s, up for %s\n", p.good("wrapup is ready"), printable(s.Version), ago(now, s.Started))
	}
	for _, line := range s.Attention {
		b.WriteString(p.bad("! ") + printable(line) + "\n")
	}
	b.WriteString("\n" + p.title("From the dialer") + "\n")
	printFeeds(&b, s, now)
	for _, c := range calls {
		fmt.Fprintf(&b, "  callback_url of %s: %s", printable(c.Source), printable(c.URL))
		if c.Shows != "" {
			b.WriteString(", with " + printable(c.Shows))
		}
		b.WriteString("\n")
	}
	fmt.Fprintf(&b, "  %d call(s) are open\n\n%s\n", s.OpenCalls, p.title("To the CRMs"))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "  DESTINATION\tSTATE\tWAITING\tHELD\tPARKED\tDEAD\tOLDEST\tDRAINED")
	for i := range s.Destinations {
		d := &s.Destinations[i]
		held := fmt.Sprint(d.Held)
		if d.HeldMore {
			held = "≥ " + held
		}
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%d\t%d\t%s\t%s\n", printable(d.Destination), printable(string(d.State)), d.Waiting, held, d.Parked, d.Dead,
			printable(cmp.Or(d.Oldest, "-")), printable(d.Drain))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "\n%s\n  %s has %s, and the disk has %s left\n", p.title("Here"), printable(s.Store), bytesInWords(s.StoreBytes), bytesInWords(s.FreeBytes))
	if s.DamagedFiles > 0 {
		fmt.Fprintf(&b, "  %d damaged file(s) of it that were set aside take %s: nothing deletes them but you, once what was lost is settled\n",
			s.DamagedFiles, bytesInWords(s.DamagedBytes))
	}
	if r := s.Reload; r != nil {
		was := "taken into use"
		if !r.OK {
			was = p.bad("refused")
		}
		fmt.Fprintf(&b, "  the configuration was last read at %s UTC and %s\n", shortTime(r.At), was)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printFeeds(b *strings.Builder, s *admin.Status, now time.Time) {
	if s.Intake == nil {
		fmt.Fprintf(b, "  the newest event that is still open came %s\n", since(now, s.LastEvent))
		return
	}
	for _, f := range s.Intake.Feeds {
		fmt.Fprintf(b, "  %s: last post %s; %d event(s) stored, %d repeated since the start\n", printable(f.Source), since(now, f.Last), f.Stored, f.Repeated)
	}
	for i, r := range s.Intake.Refused {
		if i == shownRefused {
			fmt.Fprintf(b, "  … %d more (wrapup sources)\n", len(s.Intake.Refused)-i)
			break
		}
		fmt.Fprintf(b, "  %d post(s) refused from %s: %s, last %s\n", r.Count, cmp.Or(printable(r.Sender), "(others)"), printable(r.Reason), since(now, r.Last))
	}
}

// since says how long ago something was.
func since(now time.Time, t connector.Time) string {
	if !t.Known() {
		return "never"
	}
	return ago(now, t) + " ago"
}

func ago(now time.Time, t connector.Time) string {
	d := max(0, now.Sub(t.Time())).Round(time.Second)
	if d >= 48*time.Hour {
		return amount(int(d.Hours()/24), "day")
	}
	return d.String()
}

func bytesInWords(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	default:
		return fmt.Sprintf("%d KiB", n/1024)
	}
}
