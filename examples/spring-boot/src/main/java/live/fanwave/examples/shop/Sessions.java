package live.fanwave.examples.shop;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import java.util.List;
import java.util.regex.Pattern;
import live.fanwave.examples.shop.Users.User;
import org.springframework.core.MethodParameter;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.stereotype.Component;
import org.springframework.web.bind.support.WebDataBinderFactory;
import org.springframework.web.context.request.NativeWebRequest;
import org.springframework.web.method.support.HandlerMethodArgumentResolver;
import org.springframework.web.method.support.ModelAndViewContainer;
import org.springframework.web.server.ResponseStatusException;
import org.springframework.web.servlet.config.annotation.WebMvcConfigurer;

/**
 * Who asks: this back end's own sessions. Fanwave's tokens have no part in it. A handler that takes a {@link User} is for
 * those who are logged in; if the parameter is {@link Moderating}, for moderators.
 */
@Component
class Sessions implements WebMvcConfigurer, HandlerMethodArgumentResolver {
    private static final Pattern BEARER = Pattern.compile("Bearer (\\S+)");

    @Target(ElementType.PARAMETER)
    @Retention(RetentionPolicy.RUNTIME)
    @interface Moderating {}

    private final Users users;

    Sessions(Users users) {
        this.users = users;
    }

    @Override
    public void addArgumentResolvers(List<HandlerMethodArgumentResolver> resolvers) {
        resolvers.add(this);
    }

    @Override
    public boolean supportsParameter(MethodParameter parameter) {
        return parameter.getParameterType() == User.class;
    }

    @Override
    public User resolveArgument(
            MethodParameter parameter, ModelAndViewContainer view, NativeWebRequest request, WebDataBinderFactory binders) {
        var header = request.getHeader(HttpHeaders.AUTHORIZATION);
        var bearer = BEARER.matcher(header == null ? "" : header);
        var user = users.bySession(bearer.matches() ? bearer.group(1) : "");
        if (parameter.hasParameterAnnotation(Moderating.class) && !user.isModerator()) {
            throw new ResponseStatusException(HttpStatus.FORBIDDEN, "this is for moderators");
        }
        return user;
    }
}
