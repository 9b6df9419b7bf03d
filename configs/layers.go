package configs

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"wrapup/mappings/source"
)

const (
	// delimiter parts the keys of a path within koanf. Access numbers and parameters may hold a dot; nothing holds this.
	delimiter = "\x00"

	envPrefix = "WRAPUP_"
	// envConfig names the configuration file. It is for the commands, and no setting.
	envConfig = "WRAPUP_CONFIG"
)

// merge lays the layers over each other, the last one on top, and gives what they say together.
func merge(layers ...map[string]any) (*Config, error) {
	k := koanf.New(delimiter)
	for _, layer := range layers {
		if err := k.Load(confmap.Provider(layer, ""), nil); err != nil {
			return nil, err
		}
	}
	c := &Config{}
	return c, k.UnmarshalWithConf("", c, koanf.UnmarshalConf{Tag: "yaml"})
}

// environment gives the layer of the variables, and reports those that set nothing. An empty variable counts as none.
func (r *report) environment(environ []string, used map[string]bool) map[string]any {
	all, lists := settings(reflect.TypeFor[Config]())
	byName, names := map[string]setting{}, []string{envConfig}
	for _, s := range all {
		byName[s.env()] = s
		names = append(names, s.env())
	}
	layer := map[string]any{}
	for _, variable := range environ {
		name, value, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) || value == "" || name == envConfig {
			continue
		}
		at := place{file: "environment " + name}
		if s, ok := byName[name]; ok {
			r.override(layer, s, at, value)
			continue
		}
		if used[name] || isServiceLink(name, value) {
			continue
		}
		what := "unknown variable" + source.Suggest(name, names)
		if slices.ContainsFunc(lists, func(list string) bool { return name == list || strings.HasPrefix(name, list+"_") }) {
			what = "lists and maps are set in the file alone"
		}
		r.add(at, "", false, what)
	}
	return layer
}

var (
	serviceLink = regexp.MustCompile(`^WRAPUP_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)$`)
	servicePort = regexp.MustCompile(`^WRAPUP_([A-Z0-9_]+_)?PORT$`)
)

// isServiceLink says that a variable is one of those that Kubernetes sets in every pod beside a Service named wrapup.
// Nobody meant a setting by it.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || servicePort.MatchString(name) && strings.Contains(value, "://")
}

// flags gives the layer of the flags.
func (r *report) flags(flags map[string]string) map[string]any {
	all, _ := settings(reflect.TypeFor[Config]())
	byPath, paths := map[string]setting{}, make([]string, len(all))
	for i, s := range all {
		byPath[s.path()] = s
		paths[i] = s.path()
	}
	layer := map[string]any{}
	for name, value := range flags {
		at := place{file: "flag --" + name}
		if s, ok := byPath[name]; ok {
			r.override(layer, s, at, value)
		} else {
			r.add(at, "", false, "unknown flag"+source.Suggest(name, paths))
		}
	}
	return layer
}

// override puts a setting from outside of the file into a layer. From here on its path means that place.
func (r *report) override(layer map[string]any, s setting, at place, text string) {
	r.places[s.path()] = at
	v, err := s.parse(text)
	if err != nil {
		r.wrong[s.path()] = true
		r.add(at, s.path(), false, err.Error())
		return
	}
	for _, key := range s.keys[:len(s.keys)-1] {
		below, ok := layer[key].(map[string]any)
		if !ok {
			below = map[string]any{}
			layer[key] = below
		}
		layer = below
	}
	layer[s.keys[len(s.keys)-1]] = v
}
