package live.fanwave.examples.shop;

import java.util.Map;
import live.fanwave.examples.shop.Fanwave.Done;
import live.fanwave.examples.shop.Sessions.Moderating;
import live.fanwave.examples.shop.Users.User;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.http.ResponseEntity;
import org.springframework.web.bind.annotation.DeleteMapping;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PathVariable;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.ResponseStatus;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestClientResponseException;
import org.springframework.web.server.ResponseStatusException;

/** The routes of the shop, of which chat is a part. */
@RestController
class Routes {
    record Credentials(String name, String password) {}

    record Session(String session) {}

    record ChatToken(String token) {}

    record Order(String id, String item) {}

    record Told(long toldAt, boolean again) {}

    private final Users users;
    private final ChatTokens tokens;
    private final Fanwave fanwave;
    private final String room;

    Routes(Users users, ChatTokens tokens, Fanwave fanwave, Shop.Settings settings) {
        this.users = users;
        this.tokens = tokens;
        this.fanwave = fanwave;
        this.room = settings.room();
    }

    @PostMapping("/accounts")
    @ResponseStatus(HttpStatus.CREATED)
    User register(@RequestBody Credentials credentials) {
        return users.register(text("name", credentials.name()), text("password", credentials.password()));
    }

    @PostMapping("/accounts/sessions")
    @ResponseStatus(HttpStatus.CREATED)
    Session login(@RequestBody Credentials credentials) {
        return new Session(users.login(text("name", credentials.name()), text("password", credentials.password())));
    }

    /** What Fanwave verifies the users' tokens with. */
    @GetMapping("/.well-known/jwks.json")
    Map<String, Object> keys() {
        return tokens.publicKeys();
    }

    /** What the client library's {@code getToken} asks for, at the first connect and whenever the token runs out. */
    @PostMapping("/chat/token")
    @ResponseStatus(HttpStatus.CREATED)
    ChatToken token(User user) {
        if (users.suspension(user).isPresent()) throw new ResponseStatusException(HttpStatus.FORBIDDEN, "suspended");
        return new ChatToken(tokens.sign(user, room));
    }

    /** An order is told in the room. The order's id is the message's, so that an order that is sent again is told once. */
    @PostMapping("/orders")
    @ResponseStatus(HttpStatus.CREATED)
    Told order(User user, @RequestBody Order order) {
        var told = fanwave.announce(room, "order-" + text("id", order.id()), user.name() + " has bought " + text("item", order.item()));
        return new Told(told.offset(), told.duplicate());
    }

    /** Suspends a user: no token any more, out of the room at once, and everybody there sees who did it. */
    @PostMapping("/suspensions/{id}")
    @ResponseStatus(HttpStatus.CREATED)
    Done suspend(@Moderating User by, @PathVariable String id) {
        var user = users.get(id);
        if (users.suspension(user).isPresent()) throw new ResponseStatusException(HttpStatus.CONFLICT, "suspended before");
        var done = fanwave.ban(room, user, by);
        users.suspend(user, done.act());
        return done;
    }

    /** Takes it back, with what came of it. */
    @DeleteMapping("/suspensions/{id}")
    Done reinstate(@Moderating User by, @PathVariable String id) {
        var user = users.get(id);
        var act = users.suspension(user).orElseThrow(() -> new ResponseStatusException(HttpStatus.CONFLICT, "not suspended"));
        var done = fanwave.undo(room, act, by);
        users.reinstate(user);
        return done;
    }

    /** Fanwave's problems are fit to be passed on: no secret is in them. */
    @ExceptionHandler
    ResponseEntity<ProblemDetail> refused(RestClientResponseException refusal) {
        return ResponseEntity.status(refusal.getStatusCode()).body(refusal.getResponseBodyAs(ProblemDetail.class));
    }

    private static String text(String name, String value) {
        if (value == null || value.isEmpty() || value.length() > 64) {
            throw new ResponseStatusException(HttpStatus.BAD_REQUEST, name + " is a text of 1 to 64 characters");
        }
        return value;
    }
}
