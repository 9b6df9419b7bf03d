package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"wrapup/configs"
	"wrapup/mappings"
	problem "wrapup/mappings/source"
)

// configFile is the configuration's name in its folder.
const configFile = "wrapup.yaml"

// setup are the answers that wrapup init makes a configuration of.
type setup struct {
	dir string
	// crm is the mapping: a preset or record.
	crm    string
	queues []string // NUMBER or NUMBER=NAME
	region string
	listen string
	host   string // by which the dialer reaches this machine
	// data and socket are written only where they aren't the defaults.
	data, socket string
	url          string
	// set are values of the destination by their path: auth.basic.user. params are those of the mapping.
	set, params map[string]string
	// secrets are the files to copy secrets from, by the name of the file that they are to be in.
	secrets map[string]string
	// typed are those that were typed, likewise.
	typed map[string]string
	force bool
}

func (a *app) initialize() *cobra.Command {
	s := setup{}
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first configuration, and say what has to be set up at the dialer and in the CRM",
		Long: `Init asks for the CRM, the queue and its country, and for what the CRM's mapping wants to be told. It writes a commented
wrapup.yaml, a token for the dialer and the files of the CRM's secrets, readable by wrapup alone (root:wrapup 0640 where the
group wrapup exists, else 0600), and says which address to give to the dialer and what to do in the CRM.

Each answer can be a flag. Where no person is at the terminal, all that is needed must be: then what is missing is said at once.
Secrets are no flags, which others could see: --secret names a file to copy one from. One that isn't given stands as
` + placeholder + ` in its file, and init says so; until it is replaced the CRM refuses what wrapup sends, and nothing is lost.

What is written has passed ` + "`wrapup check`" + `. A configuration that is there already is overwritten only with --force; secrets,
the dialer's token and tables are kept even then.`,
		Example: `  wrapup init
  wrapup init --crm hubspot --queue 104906 --region ID --secret hubspot.token=/root/token
  wrapup init --crm zendesk --url https://acme.zendesk.com --set auth.basic.user=ana@example.com/token --param assignee=235324 \
    --queue "104906=Sales Jakarta" --queue 104907 --region ID`,
		Args: args(0, "no arguments"),
		RunE: func(c *cobra.Command, _ []string) error {
			if s.dir == "" {
				s.dir = filepath.Dir(a.config)
			}
			return a.runInit(c, &s)
		},
	}
	f := c.Flags()
	f.StringVar(&s.dir, "dir", "", "the `folder` to write to (default: that of --config)")
	f.StringVar(&s.crm, "crm", "", "the `mapping`: one of wrapup mappings list")
	f.StringArrayVar(&s.queues, "queue", nil, "a queue's access `number`, or NUMBER=NAME; may be given several times")
	f.StringVar(&s.region, "region", "", "the `country` whose numbers the queues call, such as ID")
	f.StringVar(&s.url, "url", "", "the CRM's `address`")
	f.StringToStringVar(&s.set, "set", nil, "a value of the destination by its `path=value`, such as auth.basic.user=NAME")
	f.StringToStringVar(&s.params, "param", nil, "a param of the mapping, `name=value`")
	f.StringToStringVar(&s.secrets, "secret", nil, "`name=file`: copy the secret of that name, such as hubspot.token, from the file")
	f.StringVar(&s.listen, "listen", ":8080", "where the dialer posts: `address`:port")
	f.StringVar(&s.host, "host", "", "the `name` by which the dialer reaches this machine (default: its own)")
	f.StringVar(&s.data, "data-dir", "", "the `folder` of the store (default: /var/lib/wrapup)")
	f.StringVar(&s.socket, "admin-socket", "", "where the commands ask the daemon (default: /run/wrapup/admin.sock)")
	f.BoolVar(&s.force, "force", false, "overwrite a configuration that is there")
	_ = c.RegisterFlagCompletionFunc("crm", cobra.FixedCompletions(crmNames(), cobra.ShellCompDirectiveNoFileComp))
	return c
}

// crmNames are the mappings that init can set up.
func crmNames() []string { return append(mappings.Presets(), builtIn) }

// runInit asks, plans, checks what it would write, and only then writes.
func (a *app) runInit(c *cobra.Command, s *setup) error {
	path := filepath.Join(s.dir, configFile)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) && !s.force {
		if err != nil {
			return err
		}
		return fmt.Errorf("%s is there already, and is left as it is: --force overwrites it, --dir names another folder", path)
	}
	q := newQuestions(c.InOrStdin(), c.ErrOrStderr())
	known, err := s.askAll(q)
	if err != nil {
		return err
	}
	plan, err := s.plan(known, rand.Text())
	if err != nil {
		return err
	}
	cfg, problems := plan.check(path, a.environ)
	if cfg == nil {
		fmt.Fprintln(a.err, problems.Detailed())
		fmt.Fprintln(a.err, "Nothing was written.")
		return errReported
	}
	written, err := plan.write()
	if err != nil {
		return err
	}
	listen, host := cfg.Listen, s.host
	switch _, port, _ := net.SplitHostPort(listen); {
	case host != "": // whatever it listens on here: there may be a proxy before it
		listen = ":" + port
	default:
		if host, err = os.Hostname(); err != nil {
			host = "HOST"
		}
	}
	s.printNext(c.OutOrStdout(), known, plan, written, callbacks(cfg, listen, host, true))
	return nil
}

// chosen is the mapping that was chosen.
type chosen struct {
	name    string
	summary *mappings.Summary
	setUp   *mappings.SetUp
}

// recordSetUp is the example for mapping: record, which has no file with a top.
const recordSetUp = `# Let the receiver answer 200 once it has kept what it got. The header Idempotency-Key is the same each time the same
# revision of a call is sent.
#
# destinations:
#   - name: record
#     mapping: record
#     url: https://YOURS.example.com/calls
#     auth: {bearer: {file: /etc/wrapup/record.token}}
description: The record as it is
`

// choose finds a mapping that init can set up.
func choose(name string) (*chosen, error) {
	src, summary := []byte(recordSetUp), mappings.SummarizeRecord()
	if name != builtIn {
		preset, ok := mappings.Preset(name)
		if !ok {
			return nil, usageError{fmt.Errorf("there is no preset %q%s: wrapup mappings list says which there are", name, problem.Suggest(name, crmNames()))}
		}
		var problems problem.Problems
		if summary, problems = mappings.Summarize(name+mappingSuffix, preset); summary == nil {
			return nil, problems
		}
		src = preset
	}
	setUp, err := mappings.SetUpOf(src)
	return &chosen{name, summary, setUp}, err
}

// printNext says what was written and what is left to do.
func (s *setup) printNext(w io.Writer, k *chosen, p *plan, written []string, calls []callback) {
	for _, name := range written {
		fmt.Fprintln(w, "wrote", name)
	}
	fmt.Fprintln(w, "\nNext:")
	n := 0
	step := func(format string, args ...any) {
		n++
		fmt.Fprintf(w, "  %d. "+format+"\n", append([]any{n}, args...)...)
	}
	for _, name := range p.empty {
		step("put the secret into %s, in the place of %s", name, placeholder)
	}
	for _, call := range calls {
		step("give this address to the dialer as its callback_url:\n     %s", call.URL)
	}
	if slices.ContainsFunc(p.files, func(f planned) bool { return strings.HasSuffix(f.name, ".csv") }) {
		step("say which agent is who in the CRM, in the tables in %s", p.mappings())
	}
	step("set up the CRM, as below")
	config := ""
	if s.dir != filepath.Dir(defaultConfig) {
		config = " --config " + filepath.Join(s.dir, configFile)
	}
	step("try it, before there are calls: wrapup check%s && wrapup destinations test %s%s", config, p.destination, config)
	if config == "" {
		step("run it: systemctl enable --now wrapup.socket wrapup.service")
	} else {
		step("run it: wrapup serve%s", config)
	}
	fmt.Fprintf(w, "\n%s\n", k.setUp.Steps)
}

// check says what is wrong with the configuration that would be there, without a file of it being there.
func (p *plan) check(path string, environ []string) (*configs.Config, problem.Problems) {
	return configs.Load(configs.Input{
		Path: path, Environ: environ,
		ReadFile: func(name string) ([]byte, error) {
			for _, f := range p.files {
				if f.name == name {
					return f.content, nil
				}
			}
			return os.ReadFile(name)
		},
		ReadDir: func(name string) ([]fs.DirEntry, error) {
			entries, err := os.ReadDir(name)
			if name == p.mappings() && errors.Is(err, fs.ErrNotExist) {
				return nil, nil // it will be there
			}
			return entries, err
		},
	})
}

// plainURL says whether an address can be one of an API.
func plainURL(text string) error {
	if u, err := url.Parse(text); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("%q is no address such as https://crm.example.com", text)
	}
	return nil
}
