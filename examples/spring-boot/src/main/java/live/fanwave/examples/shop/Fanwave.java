package live.fanwave.examples.shop;

import java.net.http.HttpClient;
import java.time.Duration;
import java.util.Map;
import live.fanwave.examples.shop.Users.User;
import org.springframework.http.MediaType;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.stereotype.Service;
import org.springframework.web.client.RestClient;

/** What this back end asks of Fanwave: docs/server-api.md. */
@Service
class Fanwave {
    /** How long a server may take to answer; after that nothing is known, and whoever asked asks again. */
    private static final Duration ANSWER = Duration.ofSeconds(5);

    record Announced(long offset, boolean duplicate) {}

    record Done(String act) {}

    private final RestClient client;

    Fanwave(Shop.Settings settings) {
        var requests = new JdkClientHttpRequestFactory(HttpClient.newBuilder().connectTimeout(ANSWER).build());
        requests.setReadTimeout(ANSWER);
        client = RestClient.builder()
                .requestFactory(requests)
                .baseUrl(settings.fanwaveUrl() + "/api/v1")
                .defaultHeaders(headers -> headers.setBearerAuth(settings.fanwaveKey()))
                .build();
    }

    /** Says something in the room's own lane. The same id is one message, however often it is said. */
    Announced announce(String room, String id, String text) {
        return client.post()
                .uri("/channels/{room}/publish", room)
                .contentType(MediaType.APPLICATION_JSON)
                .body(Map.of("id", id, "text", text, "lane", "room"))
                .retrieve()
                .body(Announced.class);
    }

    /** Sends a user out of the room, in the moderator's name. What it answers with is how it is undone. */
    Done ban(String room, User user, User by) {
        return client.post()
                .uri("/channels/{room}/users/{user}/ban?actor={by}&actor_name={name}", room, user.id(), by.id(), by.name())
                .retrieve()
                .body(Done.class);
    }

    Done undo(String room, String act, User by) {
        return client.post()
                .uri("/channels/{room}/audit/{act}/undo?actor={by}&actor_name={name}", room, act, by.id(), by.name())
                .retrieve()
                .body(Done.class);
    }
}
