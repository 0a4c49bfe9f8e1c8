package live.fanwave.examples.shop;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ConcurrentHashMap;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Service;
import org.springframework.web.server.ResponseStatusException;

/** The users of this back end: Fanwave knows none of them. They are in memory here; yours are in your database. */
@Service
class Users {
    /** As OWASP has it for PBKDF2 with HMAC-SHA-256. */
    private static final int ROUNDS = 600_000;

    record User(String id, String name, boolean isModerator) {}

    private record Account(User user, byte[] salt, byte[] hash) {}

    private final Map<String, Account> byName = new ConcurrentHashMap<>();
    private final Map<String, User> byId = new ConcurrentHashMap<>();
    private final Map<String, User> bySession = new ConcurrentHashMap<>();
    /** Who is suspended, and under which act of Fanwave's audit log. */
    private final Map<String, String> suspensions = new ConcurrentHashMap<>();

    private final SecureRandom random = new SecureRandom();
    private final Shop.Settings settings;

    Users(Shop.Settings settings) {
        this.settings = settings;
    }

    User register(String name, String password) {
        var user = new User(UUID.randomUUID().toString(), name, settings.moderators().contains(name));
        var salt = randomBytes(16);
        if (byName.putIfAbsent(name, new Account(user, salt, hash(password, salt))) != null) {
            throw new ResponseStatusException(HttpStatus.CONFLICT, "this name is taken");
        }
        byId.put(user.id(), user);
        return user;
    }

    /** A new session, for the right password. */
    String login(String name, String password) {
        var account = byName.get(name);
        if (account == null || !MessageDigest.isEqual(hash(password, account.salt()), account.hash())) {
            throw new ResponseStatusException(HttpStatus.UNAUTHORIZED, "no such name and password");
        }
        var session = Base64.getUrlEncoder().withoutPadding().encodeToString(randomBytes(24));
        bySession.put(session, account.user());
        return session;
    }

    /** Whose session it is. */
    User bySession(String session) {
        return Optional.ofNullable(bySession.get(session))
                .orElseThrow(() -> new ResponseStatusException(HttpStatus.UNAUTHORIZED, "log in first"));
    }

    User get(String id) {
        return Optional.ofNullable(byId.get(id))
                .orElseThrow(() -> new ResponseStatusException(HttpStatus.NOT_FOUND, "no such user"));
    }

    Optional<String> suspension(User user) {
        return Optional.ofNullable(suspensions.get(user.id()));
    }

    void suspend(User user, String act) {
        suspensions.put(user.id(), act);
    }

    void reinstate(User user) {
        suspensions.remove(user.id());
    }

    private byte[] randomBytes(int count) {
        var bytes = new byte[count];
        random.nextBytes(bytes);
        return bytes;
    }

    private static byte[] hash(String password, byte[] salt) {
        try {
            var spec = new PBEKeySpec(password.toCharArray(), salt, ROUNDS, 256);
            return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
        } catch (GeneralSecurityException error) {
            throw new IllegalStateException("every Java has this algorithm", error);
        }
    }
}
