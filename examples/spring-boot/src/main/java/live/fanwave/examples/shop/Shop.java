package live.fanwave.examples.shop;

import java.net.URI;
import java.util.Set;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.ConfigurationPropertiesScan;

/** A shop that has its own users, and a chat that Fanwave carries. */
@SpringBootApplication
@ConfigurationPropertiesScan
public class Shop {
    public static void main(String[] args) {
        SpringApplication.run(Shop.class, args);
    }

    @ConfigurationProperties("shop")
    record Settings(URI fanwaveUrl, String fanwaveKey, String room, Set<String> moderators) {}
}
