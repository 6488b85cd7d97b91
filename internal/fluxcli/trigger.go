package fluxcli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/leat-dev/leat/internal/flux/trigger"
	"github.com/leat-dev/leat/internal/secret"
)

// maxSaid bounds what is read of the answer of a webhook, or of who hands out
// tokens.
const maxSaid = 64 << 10

// The environment that tokens of OIDC come from: one that is there, and where to
// ask for one in a job of GitHub or Forgejo (fluxcd/pkg/auth v0.54.3,
// actionsoidc).
const (
	envOIDCToken  = "FLUX_TRIGGER_RECEIVER_OIDC_TOKEN"
	envAskAddress = "ACTIONS_ID_TOKEN_REQUEST_URL"
	envAskToken   = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// patience is how often and after what pause a call is made again.
type patience struct {
	retries int
	pause   time.Duration
}

func (p *program) newTrigger() *cobra.Command {
	cmd := &cobra.Command{Use: "trigger", Short: "Trigger objects of Flux from outside the cluster",
		Example: `  trigger receiver apps --url=https://flux-webhook.example.com --token=$TOKEN`}
	var call trigger.Call
	var again patience
	receiver := &cobra.Command{
		Use: "receiver [name]", Short: "Call the webhook of a Receiver", Args: cobra.ExactArgs(1),
		Long: "Send a payload to the webhook of a Receiver, from outside the cluster: its path\nfollows from name, namespace and token.",
		Example: `  trigger receiver apps --url=https://flux-webhook.example.com --token=$TOKEN
  trigger receiver apps --url=https://flux-webhook.example.com --type=generic-hmac --token=$TOKEN --payload='{"image":"ghcr.io/acme/app:v1"}'
  trigger receiver apps --url=https://flux-webhook.example.com --type=generic-oidc --oidc-provider=github`,
		RunE: func(cmd *cobra.Command, args []string) error {
			call.Name, call.Namespace = args[0], p.namespace()
			return p.trigger(cmd, call, again)
		},
	}
	fs := receiver.Flags()
	fs.Var(&secretText{&call.Token}, "token", "token of the Receiver; generic-oidc has none")
	fs.StringVar(&call.URL, "url", "", "where webhooks are received, with or without a path")
	fs.StringVar(&call.Type, "type", trigger.Generic, "type of the Receiver: generic, generic-hmac, generic-oidc")
	fs.StringVar(&call.OIDC.Provider, "oidc-provider", "", "whom to ask for the token of generic-oidc: github, forgejo")
	fs.Var(&secretText{&call.OIDC.Token}, "oidc-token", "the token of generic-oidc (default $"+envOIDCToken+")")
	fs.StringVar(&call.OIDC.Audience, "oidc-audience", "", "whom the token of --oidc-provider is for (default "+trigger.Audience+")")
	fs.StringVar(&call.Payload, "payload", "{}", "JSON to send")
	fs.IntVar(&again.retries, "retries", 10, "how often to try again, when there is no connection or the status is 404, 408, 429 or 5xx")
	fs.DurationVar(&again.pause, "retry-delay", 10*time.Second, "pause before each retry")
	cmd.AddCommand(receiver)
	return cmd
}

func (p *program) trigger(cmd *cobra.Command, call trigger.Call, again patience) error {
	if err := call.Check(); err != nil {
		return err
	}
	ctx, cancel := p.timeout(cmd)
	defer cancel()
	address, err := call.Address()
	if err != nil {
		return err
	}
	bearer, err := oidcToken(ctx, call)
	if err != nil {
		return err
	}
	hook := webhook{call: call, address: address, bearer: bearer}
	p.act("triggering Receiver %s/%s", call.Namespace, call.Name)
	if err := p.persist(ctx, again, hook.send); err != nil {
		return err
	}
	p.succeed("Receiver %s/%s triggered", call.Namespace, call.Name)
	return nil
}

// lasting is an error that no retry mends.
type lasting struct{ error }

// persist does something until it works, does not work for good, or patience
// ends.
func (p *program) persist(ctx context.Context, again patience, do func(context.Context) error) error {
	for attempt := 1; ; attempt++ {
		err := do(ctx)
		var final lasting
		if errors.As(err, &final) {
			return final.error
		}
		if err == nil || attempt > again.retries {
			return err
		}
		p.wait("%s; retrying in %s (%d/%d)", err, again.pause, attempt, again.retries)
		if stopped := p.Pause(ctx, again.pause); stopped != nil {
			return fmt.Errorf("%w; last: %w", stopped, err)
		}
	}
}

// pause waits on the clock of this machine.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// webhook is a call and where it goes.
type webhook struct {
	call    trigger.Call
	address *url.URL
	bearer  secret.Value
}

// send makes one attempt.
func (w webhook) send(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address.String(), strings.NewReader(w.call.Payload))
	if err != nil {
		return lasting{errors.New("request cannot be made of --url")}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "flux/v"+Contract)
	for name, value := range w.call.Header(w.bearer) {
		req.Header.Set(name, value.Reveal())
	}
	res, err := (&http.Client{CheckRedirect: samePost}).Do(req)
	if err != nil {
		return fmt.Errorf("request to %s failed: %w", w.address.Redacted(), err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 200 && res.StatusCode < 300 {
		return nil
	}
	err = fmt.Errorf("request to %s failed with status %s%s", w.address.Redacted(), res.Status, said(res, w.call.Token, w.bearer))
	if !trigger.Passing(res.StatusCode) {
		return lasting{err}
	}
	return err
}

// maxRedirects bounds how far a request is sent on.
const maxRedirects = 5

// samePost follows a redirect that keeps the method and the protection. Others
// are answers: a GET of 301 would lose the payload and look like success.
func samePost(req *http.Request, via []*http.Request) error {
	if req.Method != via[0].Method || via[0].URL.Scheme == "https" && req.URL.Scheme != "https" || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// said is what an answer says, without the secrets that went there.
func said(res *http.Response, secrets ...secret.Value) string {
	body, _ := io.ReadAll(io.LimitReader(res.Body, maxSaid))
	text := strings.TrimSpace(string(body))
	for _, s := range secrets {
		if !s.IsZero() {
			text = strings.ReplaceAll(text, s.Reveal(), "***")
		}
	}
	if res.StatusCode >= 300 && res.StatusCode < 400 {
		return "; pass as --url where it leads"
	}
	if text == "" {
		return ""
	}
	return ": " + text
}

// oidcToken finds the token of a generic-oidc Receiver; others have none.
func oidcToken(ctx context.Context, call trigger.Call) (secret.Value, error) {
	switch {
	case call.Type != trigger.GenericOIDC:
		return secret.Value{}, nil
	case call.OIDC.Provider != "":
		return fetchToken(ctx, call.OIDC.Audience)
	case !call.OIDC.Token.IsZero():
		return call.OIDC.Token, nil
	}
	if given := secret.Of(os.Getenv(envOIDCToken)); !given.IsZero() {
		return given, nil
	}
	return secret.Value{}, fmt.Errorf("no OIDC token provided: set --oidc-provider, --oidc-token or the %s environment variable", envOIDCToken)
}

// fetchToken asks the runner of a job for a token: GET <address>&audience=…
// answers {"value": "<token>"}. GitHub and Forgejo do it alike.
func fetchToken(ctx context.Context, audience string) (secret.Value, error) {
	address, ask := os.Getenv(envAskAddress), secret.Of(os.Getenv(envAskToken))
	if address == "" || ask.IsZero() {
		return secret.Value{}, fmt.Errorf("%s and %s must be set in the environment; ensure the Actions job has the 'id-token: write' permission", envAskAddress, envAskToken)
	}
	if audience == "" {
		audience = trigger.Audience
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return secret.Value{}, fmt.Errorf("invalid %s", envAskAddress)
	}
	query := req.URL.Query()
	query.Set("audience", audience)
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Authorization", "bearer "+ask.Reveal())
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return secret.Value{}, fmt.Errorf("OIDC token request failed: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return secret.Value{}, fmt.Errorf("OIDC token request failed with status %s%s", res.Status, said(res, ask))
	}
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxSaid)).Decode(&answer); err != nil || answer.Value == "" {
		return secret.Value{}, errors.New("the OIDC token response did not contain a token")
	}
	return secret.Of(answer.Value), nil
}
