// What of Fanwave's server API `make bench-api` compares, as a Fiber app: with the validator and the JWT package that Fiber
// documents, and SQLite with the same durability.
//
//	FANWAVE_KEY=... FANWAVE_SECRET=... fiber PORT FILE
package main

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"log"
	"os"
	"strings"
	"time"

	"github.com/go-playground/validator/v10"
	"github.com/gofiber/fiber/v3"
	"github.com/golang-jwt/jwt/v5"
)

const room = "demo"

// banned are those whom the room does not let speak: asked for each message, and empty.
var banned = map[string]struct{}{}

type newToken struct {
	User       string   `json:"user" validate:"required,min=1,max=64"`
	Name       string   `json:"name" validate:"omitempty,max=24"`
	Role       string   `json:"role" validate:"omitempty,oneof=fan member moderator artist staff"`
	Badge      string   `json:"badge" validate:"omitempty,max=16"`
	Rooms      []string `json:"rooms" validate:"max=8"`
	TTLSeconds *int64   `json:"ttl_seconds" validate:"omitempty,min=1,max=86400"`
}

type issued struct {
	Token     string `json:"token"`
	User      string `json:"user"`
	Role      string `json:"role"`
	ExpiresAt int64  `json:"expires_at"`
}

// claims are as Fanwave's tokens have them.
type claims struct {
	Subject    string   `json:"sub"`
	Name       string   `json:"name"`
	Role       string   `json:"role"`
	Badge      string   `json:"badge,omitempty"`
	Channels   []string `json:"channels,omitempty"`
	IssuedAt   int64    `json:"iat"`
	ExpiresAt  int64    `json:"exp"`
	jwt.Claims `json:"-"`
}

type newSender struct {
	User  string `json:"user" validate:"required,min=1,max=64"`
	Name  string `json:"name" validate:"omitempty,max=24"`
	Role  string `json:"role" validate:"omitempty,oneof=fan member moderator artist staff"`
	Badge string `json:"badge" validate:"omitempty,max=16"`
}

type newMessage struct {
	ID     string     `json:"id" validate:"required,min=1,max=64"`
	Text   string     `json:"text" validate:"required,min=1,max=500"`
	Sender *newSender `json:"sender"`
	Lane   string     `json:"lane" validate:"omitempty,oneof=chat room"`
}

type published struct {
	ID        string `json:"id"`
	Offset    int64  `json:"offset"`
	Epoch     string `json:"epoch"`
	At        int64  `json:"at"`
	Duplicate bool   `json:"duplicate"`
	Held      bool   `json:"held"`
}

type asked struct {
	Lane   string `query:"lane" validate:"omitempty,oneof=chat room"`
	Before int64  `query:"before" validate:"omitempty,min=1"`
	Limit  int    `query:"limit" validate:"omitempty,min=1,max=200"`
}

type page struct {
	Channel    string    `json:"channel"`
	Epoch      string    `json:"epoch"`
	Head       int64     `json:"head"`
	Messages   []message `json:"messages"`
	NextBefore *int64    `json:"next_before"`
}

// checked is the validator as Fiber wants it.
type checked struct{ validator *validator.Validate }

// Validate checks what was read from a body or a query.
func (c checked) Validate(out any) error { return c.validator.Struct(out) }

func main() {
	key, secret := os.Getenv("FANWAVE_KEY"), os.Getenv("FANWAVE_SECRET")
	if len(os.Args) != 3 || key == "" || secret == "" {
		log.Fatal("usage: FANWAVE_KEY=... FANWAVE_SECRET=... fiber PORT FILE")
	}
	lane, err := open(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	app := fiber.New(fiber.Config{StructValidator: checked{validator.New()}, JSONDecoder: strictly, ErrorHandler: refuse})
	v1 := app.Group("/api/v1")
	v1.Post("/tokens", backEnd(key), tokens([]byte(secret)))
	v1.Post("/channels/:room/publish", backEnd(key), publish(lane))
	v1.Get("/channels/:room/messages", messages(lane))
	log.Fatal(app.Listen("127.0.0.1:"+os.Args[1], fiber.ListenConfig{DisableStartupMessage: true}))
}

// backEnd lets those pass who show the key. Of the key, only the digest is compared.
func backEnd(key string) fiber.Handler {
	digest := sha256.Sum256([]byte(key))
	return func(c fiber.Ctx) error {
		shown, _ := strings.CutPrefix(c.Get(fiber.HeaderAuthorization), "Bearer ")
		other := sha256.Sum256([]byte(shown))
		if subtle.ConstantTimeCompare(digest[:], other[:]) != 1 {
			return fiber.NewError(fiber.StatusUnauthorized, "no such API key")
		}
		return c.Next()
	}
}

func tokens(secret []byte) fiber.Handler {
	return func(c fiber.Ctx) error {
		var ask newToken
		if err := c.Bind().JSON(&ask); err != nil {
			return malformed(err)
		}
		now := time.Now().Unix()
		ttl := int64(3600)
		if ask.TTLSeconds != nil {
			ttl = *ask.TTLSeconds
		}
		said := claims{Subject: ask.User, Name: named(ask.Name, ask.User), Role: or(ask.Role, "fan"), Badge: ask.Badge, IssuedAt: now, ExpiresAt: now + ttl}
		for _, name := range ask.Rooms {
			if name != room {
				return fiber.NewError(fiber.StatusNotFound, "no such channel")
			}
			said.Channels = append(said.Channels, "room:"+name, "chat:"+name)
		}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, said).SignedString(secret)
		if err != nil {
			return err
		}
		return fresh(c, fiber.StatusCreated, issued{Token: token, User: said.Subject, Role: said.Role, ExpiresAt: said.ExpiresAt * 1000})
	}
}

func publish(lane *lane) fiber.Handler {
	return func(c fiber.Ctx) error {
		if c.Params("room") != room {
			return fiber.NewError(fiber.StatusNotFound, "no such channel")
		}
		var ask newMessage
		if err := c.Bind().JSON(&ask); err != nil {
			return malformed(err)
		}
		sender := newSender{User: "api:shop", Name: "shop", Role: "staff"}
		if ask.Sender != nil {
			sender = *ask.Sender
		}
		if _, out := banned[sender.User]; out {
			return fiber.NewError(fiber.StatusForbidden, "banned")
		}
		draft := message{ID: ask.ID, User: sender.User, Name: named(sender.Name, sender.User), Role: or(sender.Role, "fan"), Badge: sender.Badge, Text: ask.Text}
		ack := lane.add(draft)
		if ack.err != nil {
			return ack.err
		}
		return fresh(c, fiber.StatusCreated, published{ID: ask.ID, Offset: ack.offset, Epoch: lane.epoch, At: ack.at, Duplicate: ack.duplicate})
	}
}

func messages(lane *lane) fiber.Handler {
	return func(c fiber.Ctx) error {
		if c.Params("room") != room {
			return fiber.NewError(fiber.StatusNotFound, "no such channel")
		}
		ask := asked{Limit: 50}
		if err := c.Bind().Query(&ask); err != nil {
			return malformed(err)
		}
		head, found, err := lane.page(ask.Before, ask.Limit)
		if err != nil {
			return err
		}
		answer := page{Channel: "chat:" + room, Epoch: lane.epoch, Head: head, Messages: found}
		if len(found) == ask.Limit && found[len(found)-1].Offset > 1 {
			answer.NextBefore = &found[len(found)-1].Offset
		}
		return fresh(c, fiber.StatusOK, answer)
	}
}

func fresh(c fiber.Ctx, status int, body any) error {
	c.Set(fiber.HeaderCacheControl, "no-store")
	return c.Status(status).JSON(body)
}

// strictly refuses what it does not know, as the others do.
func strictly(data []byte, out any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode(out)
}

func malformed(err error) error { return fiber.NewError(fiber.StatusBadRequest, err.Error()) }

func refuse(c fiber.Ctx, err error) error {
	status := fiber.StatusInternalServerError
	var known *fiber.Error
	if errors.As(err, &known) {
		status = known.Code
	}
	return c.Status(status).JSON(fiber.Map{"status": status, "detail": err.Error()}, "application/problem+json")
}

func named(name, user string) string {
	if name != "" {
		return name
	}
	return user[:min(len(user), 24)]
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
