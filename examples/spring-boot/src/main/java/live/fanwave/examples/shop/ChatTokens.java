package live.fanwave.examples.shop;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.JWSHeader;
import com.nimbusds.jose.crypto.ECDSASigner;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.gen.ECKeyGenerator;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import java.time.Duration;
import java.time.Instant;
import java.util.Date;
import java.util.List;
import java.util.Map;
import live.fanwave.examples.shop.Users.User;
import org.springframework.stereotype.Service;

/**
 * Tokens that users' clients connect with, signed here. Fanwave fetches the public key ({@code tokens.jwks_url}), so that
 * nobody has to be asked for a token.
 */
@Service
class ChatTokens {
    /** Fanwave is told to take tokens of this issuer and for this audience alone. */
    private static final String ISSUER = "shop";

    private static final String AUDIENCE = "fanwave";
    private static final Duration TTL = Duration.ofMinutes(10);

    /**
     * Made anew at every start, under a new name: Fanwave reads the set again when it meets a name that it does not know.
     * Where several processes sign, yours is kept where they all find it.
     */
    private final ECKey key;

    ChatTokens() throws JOSEException {
        key = new ECKeyGenerator(Curve.P_256).keyUse(KeyUse.SIGNATURE).algorithm(JWSAlgorithm.ES256).keyIDFromThumbprint(true).generate();
    }

    /** A token with which a user's client is in the room at once. */
    String sign(User user, String room) {
        var now = Instant.now();
        var claims = new JWTClaimsSet.Builder()
                .issuer(ISSUER)
                .audience(AUDIENCE)
                .subject(user.id())
                .claim("name", user.name())
                .claim("role", user.isModerator() ? "moderator" : "fan")
                .claim("channels", List.of("room:" + room, "chat:" + room))
                .issueTime(Date.from(now))
                .expirationTime(Date.from(now.plus(TTL)))
                .build();
        try {
            var token = new SignedJWT(new JWSHeader.Builder(JWSAlgorithm.ES256).keyID(key.getKeyID()).build(), claims);
            token.sign(new ECDSASigner(key));
            return token.serialize();
        } catch (JOSEException error) {
            throw new IllegalStateException("the key was made for this algorithm", error);
        }
    }

    /** What Fanwave verifies them with. */
    Map<String, Object> publicKeys() {
        return new JWKSet(key).toPublicJWKSet().toJSONObject();
    }
}
