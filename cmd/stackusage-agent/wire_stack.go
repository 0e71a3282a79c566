package main

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"stackusage/agent/config"
	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
)

// stack is the usage API of the configured stack, connected when it is first
// asked: a stack that is away when the agent starts is asked again by the next
// call. What it says of itself is kept until a sign-in fails or the stack
// refuses a fresh token; then it is asked again.
//
// It is safe for concurrent use.
type stack struct {
	conf    config.Stack
	request time.Duration // limit of one
	http    *http.Client
	getenv  func(string) string

	// retried, if set before the first call, is told of every page that is asked
	// for again: see stackapi.Config.
	retried func(ctx context.Context, answer *stackapi.Error, wait time.Duration)

	connecting chan struct{} // holds one who connects
	link       atomic.Pointer[link]
	namespace  atomic.Pointer[string] // that has answered
}

// link is a stack whose whereabouts are known.
type link struct {
	found   stackapi.Metadata
	cred    *signin.Renewing
	clients map[string]*stackapi.Client // by namespace
}

func newStack(conf config.Config, client *http.Client, getenv func(string) string) *stack {
	return &stack{conf: conf.Stack, request: conf.Timeouts.Request, http: client, getenv: getenv, connecting: make(chan struct{}, 1)}
}

// Metadata is where to sign in and for what audience: what the stack says of
// itself, unless the configuration says otherwise.
func (s *stack) Metadata(ctx context.Context) (found stackapi.Metadata, err error) {
	if s.conf.LoginEndpoint == "" || s.conf.Audience == "" {
		if found, err = stackapi.Discover(ctx, s.http, s.conf.Endpoint); err != nil {
			return found, err
		}
	}
	if login := s.conf.LoginEndpoint; login != "" {
		found.LoginEndpoint = login
		found.ADFS = stackapi.IsADFS(login)
	}
	if s.conf.Audience != "" {
		found.Audience = s.conf.Audience
	}
	return found, nil
}

func (s *stack) connect(ctx context.Context) (*link, error) {
	select {
	case s.connecting <- struct{}{}:
		defer func() { <-s.connecting }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if l := s.link.Load(); l != nil {
		return l, nil
	}
	found, err := s.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{found: found, clients: map[string]*stackapi.Client{}}
	if l.cred, err = credential(s.conf.SignIn, found.LoginEndpoint, s.http, s.getenv); err != nil {
		return nil, err
	}
	for _, namespace := range []string{stackapi.NamespaceAdmin, stackapi.NamespaceOld} {
		l.clients[namespace], err = stackapi.New(stackapi.Config{
			Endpoint: s.conf.Endpoint, ProviderSubscription: s.conf.ProviderSubscription, Namespace: namespace,
			Token: signin.Token(l.cred, found.Audience), HTTP: s.http, Timeout: s.request, Retried: s.retried,
			Refresh: func(context.Context) { _ = l.cred.Forget() }, // what cannot be read, the next sign-in says
		})
		if err != nil {
			return nil, err
		}
	}
	s.link.Store(l)
	return l, nil
}

// SignIn gets a token for the stack, which may be one that was kept.
func (s *stack) SignIn(ctx context.Context) error {
	l, err := s.connect(ctx)
	if err != nil {
		return err
	}
	_, err = signin.Token(l.cred, l.found.Audience)(ctx)
	return s.noted(l, err)
}

// Namespace is the one that has answered, or else the one to be asked first.
func (s *stack) Namespace() string { return s.namespaces()[0] }

// namespaces are those to ask, in this order.
func (s *stack) namespaces() []string {
	if s.conf.Namespace != config.Auto {
		return []string{s.conf.Namespace}
	}
	switch known := s.namespace.Load(); {
	case known == nil:
		return []string{stackapi.NamespaceAdmin, stackapi.NamespaceOld}
	case *known == stackapi.NamespaceOld:
		return []string{stackapi.NamespaceOld, stackapi.NamespaceAdmin} // an update may have brought the other
	}
	return []string{stackapi.NamespaceAdmin} // no stack goes back, and the old one's listings end where the other's do not
}

// Hour: see stackapi.Client.
func (s *stack) Hour(ctx context.Context, start time.Time, row func(raw []byte) error) (pages int, err error) {
	return s.SubscriberHour(ctx, start, "", row)
}

// SubscriberHour: see stackapi.Client.
func (s *stack) SubscriberHour(ctx context.Context, start time.Time, subscriber string, row func(raw []byte) error) (pages int, err error) {
	l, err := s.connect(ctx)
	if err != nil {
		return 0, err
	}
	var unknown error // of the first that was asked
	for _, namespace := range s.namespaces() {
		rows := false
		pages, err := l.clients[namespace].SubscriberHour(ctx, start, subscriber, func(raw []byte) error {
			rows = true
			return row(raw)
		})
		if err == nil || rows || errors.Is(err, stackapi.ErrNotReady) {
			if unknown == nil || unknown.(*stackapi.Error).Code != "NotFound" && unknown.(*stackapi.Error).Code != "" {
				s.namespace.Store(&namespace) // a 404 without more may be of this hour
			}
			return pages, s.noted(l, err)
		}
		if !unknownThere(err) {
			return pages, s.noted(l, err)
		}
		if unknown == nil {
			unknown = err
		}
	}
	return 0, unknown
}

// Subscriptions: see stackapi.Client.
func (s *stack) Subscriptions(ctx context.Context) (map[string]string, error) {
	l, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	tenants, err := l.clients[stackapi.NamespaceAdmin].Subscriptions(ctx)
	return tenants, s.noted(l, err)
}

// noted forgets the link if err says that the next call should connect anew.
func (s *stack) noted(l *link, err error) error {
	var refused *signin.Error
	var answer *stackapi.Error
	if errors.As(err, &refused) && !refused.Transient() || errors.As(err, &answer) && answer.Status == http.StatusUnauthorized {
		s.link.CompareAndSwap(l, nil)
	}
	return err
}

// unknownThere tells that a stack does not know the namespace. A stack that is
// busy or out of order has not said so. One that does not know the subscription
// will not know it by another namespace.
func unknownThere(err error) bool {
	answer, ours := err.(*stackapi.Error)
	if !ours || answer.Page != 1 || answer.Status < 400 || answer.Status > 499 {
		return false
	}
	switch answer.Code {
	case "InvalidResourceNamespace", "InvalidResourceType", "NoRegisteredProviderFound", "MissingSubscriptionRegistration":
		return true
	}
	return answer.Status == http.StatusNotFound && (answer.Code == "" || answer.Code == "NotFound")
}
